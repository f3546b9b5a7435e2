// Package acceptance drives the built binary through its public interfaces, with the stock openstack client and with raw
// HTTP, in front of the real pods of testbed/. `make acceptance` runs it; it needs the build tag acceptance, the testbed
// up, bin/tricircle, and the addresses of testbed/top.conf free.
//
// Each test makes what it needs and removes it also when it fails, straight from the pods. The package must not import
// anything of the product: what it knows, a user or an operator knows.
package acceptance
