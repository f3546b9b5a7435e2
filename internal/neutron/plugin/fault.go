package plugin

import (
	"fmt"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
)

// neutronError is an answer as Neutron's exception classes make them: clients switch on the type.
func neutronError(status int, typ, format string, args ...any) *fault.Error {
	return &fault.Error{Status: status, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// notFound, conflict and badRequest are the statuses of nearly all of Neutron's exceptions (neutron_lib/exceptions/__init__.py).
func notFound(typ, format string, args ...any) *fault.Error {
	return neutronError(http.StatusNotFound, typ, format, args...)
}

func conflict(typ, format string, args ...any) *fault.Error {
	return neutronError(http.StatusConflict, typ, format, args...)
}

func badRequest(typ, format string, args ...any) *fault.Error {
	return neutronError(http.StatusBadRequest, typ, format, args...)
}

// invalidInput is the class InvalidInput.
func invalidInput(format string, args ...any) *fault.Error {
	return badRequest("InvalidInput", "Invalid input for operation: %s.", fmt.Sprintf(format, args...))
}

// badBody is the class BadRequest, which names the collection: "subnets", "ports".
func badBody(collection, format string, args ...any) *fault.Error {
	return badRequest("BadRequest", "Bad %s request: %s.", collection, fmt.Sprintf(format, args...))
}

func networkNotFound(id string) error {
	return notFound("NetworkNotFound", "Network %s could not be found.", id)
}

func subnetNotFound(id string) error {
	return notFound("SubnetNotFound", "Subnet %s could not be found.", id)
}

func portNotFound(id string) error {
	return notFound("PortNotFound", "Port %s could not be found.", id)
}

func subnetPoolNotFound(id string) error {
	return notFound("SubnetPoolNotFound", "Subnet pool %s could not be found.", id)
}

func addressScopeNotFound(id string) error {
	return notFound("AddressScopeNotFound", "Address scope %s could not be found.", id)
}

func securityGroupNotFound(id string) error {
	return notFound("SecurityGroupNotFound", "Security group %s does not exist", id)
}

func securityGroupRuleNotFound(id string) error {
	return notFound("SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
}

func rbacPolicyNotFound(id string) error {
	return notFound("RbacPolicyNotFound", "RBAC policy of type unknown with ID %s not found", id)
}
