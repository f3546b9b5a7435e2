package schema

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxFQDN is how many characters a fully qualified domain name has at most (neutron_lib/db/constants.py, FQDN_FIELD_SIZE).
const maxFQDN = 255

// defaultDomain is the domain of a cloud that has none of its own (neutron_lib/constants.py, DNS_DOMAIN_DEFAULT).
const defaultDomain = "openstacklocal."

// dnsLabel is what a name has between dots (neutron_lib/constants.py, DNS_LABEL_REGEX), with the line end that Python's $ lets pass.
var (
	dnsLabel = regexp.MustCompile(`^([a-z0-9-]{1,63}|<project_id>|<project_name>|<user_name>|<user_id>)\n?$`)
	digits   = regexp.MustCompile(`^[0-9]+\n?$`)
)

// Domain is the option dns_domain with a dot at its end; "" is none. ownNames tells whether ports in it can have names of their own: in
// the default domain they have not (neutron/plugins/ml2/extensions/dns_integration.py, _get_request_dns_name).
func Domain(option string) (domain string, ownNames bool) {
	domain = option
	if domain != "" && !strings.HasSuffix(domain, ".") {
		domain += "."
	}
	return domain, domain != "" && domain != defaultDomain
}

// DNSName takes names of hosts: relative ones, or such as end in a dot, which must be in the domain that the option dns_domain says
// (neutron_lib/api/validators/dns.py, validate_dns_name).
func DNSName(option string) Validator {
	domain, ownNames := Domain(option)
	return func(v any) error {
		name, _ := v.(string) // ToLower has let nothing else pass
		if err := dnsForm(name); err != nil || name == "" || !ownNames {
			return err
		}
		size, higher := utf8.RuneCountInString(name), utf8.RuneCountInString(domain)+1
		switch absolute := strings.HasSuffix(name, "."); {
		case !absolute && size+higher > maxFQDN:
			return reasonf("The dns_name passed is a PQDN and its size is '%d'. The dns_domain option in neutron.conf is set to %s, with a "+
				"length of '%d'. When the two are concatenated to form a FQDN (with a '.' at the end), the resulting length exceeds the "+
				"maximum size of '%d'", size, option, higher, maxFQDN)
		case absolute && (size <= higher || !strings.HasSuffix(name, "."+domain)):
			return reasonf("The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in neutron.conf, "+
				"that has been set to '%s'. It must also include one or more valid DNS labels to the left of '%s'", option, option)
		}
		return nil
	}
}

// DNSDomain takes domains, which end in a dot, and leave room for a name (neutron_lib/api/validators/dns.py, validate_dns_domain).
func DNSDomain(v any) error {
	domain, ok := v.(string)
	size := utf8.RuneCountInString(domain)
	switch {
	case !ok:
		return String(0)(v)
	case domain == "":
		return nil
	case !strings.HasSuffix(domain, "."):
		return reasonf("'%s' is not a FQDN", domain)
	}
	if err := dnsForm(domain); err != nil {
		return err
	}
	if size > maxFQDN-2 {
		return reasonf("'%s' contains %d characters. Adding a sub-domain will cause it to exceed the maximum length of a FQDN of '%d'",
			domain, size, maxFQDN)
	}
	return nil
}

// dnsForm refuses what is no name, relative or not.
func dnsForm(name string) error {
	if name == "" {
		return nil
	}
	if err := checkLabels(strings.TrimSuffix(name, ".")); err != nil {
		return reasonf("'%s' not a valid PQDN or FQDN. Reason: %s", name, err)
	}
	return nil
}

// checkLabels says what is wrong with a name without the dot at its end.
func checkLabels(name string) error {
	if utf8.RuneCountInString(name) > maxFQDN {
		return reasonf("'%s' exceeds the %d character FQDN limit", name, maxFQDN)
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return Reason("Encountered an empty component")
		case strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"):
			return reasonf("Name '%s' must not start or end with a hyphen", label)
		case !dnsLabel.MatchString(label):
			return reasonf("Name '%s' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen", label)
		}
	}
	if last := labels[len(labels)-1]; len(labels) > 1 && digits.MatchString(last) {
		return reasonf("TLD '%s' must not be all numeric", last)
	}
	return nil
}
