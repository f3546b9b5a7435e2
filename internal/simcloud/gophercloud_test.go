package simcloud

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
)

// TestGophercloud_Walk_FindsWhatItExpects goes through the services as Terraform and the like do.
func TestGophercloud_Walk_FindsWhatItExpects(t *testing.T) {
	cloud, _ := start(t, Options{Pods: 2, Servers: 1500})
	ctx := t.Context()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	provider, err := openstack.NewClient(cloud.AuthURL())
	if err != nil {
		t.Fatal(err)
	}
	provider.HTTPClient.Transport = transport
	err = openstack.Authenticate(ctx, provider, gophercloud.AuthOptions{
		IdentityEndpoint: cloud.AuthURL(), Username: "demo", Password: "secret", TenantName: "demo", DomainName: "Default",
	})
	if err != nil {
		t.Fatal(err)
	}
	region := gophercloud.EndpointOpts{Region: "pod2"}
	nova, err := openstack.NewComputeV2(provider, region)
	check(t, err)
	cinder, err := openstack.NewBlockStorageV3(provider, region)
	check(t, err)
	neutron, err := openstack.NewNetworkV2(provider, region)
	check(t, err)
	glance, err := openstack.NewImageV2(provider, region)
	check(t, err)

	pages, err := servers.List(nova, servers.ListOpts{}).AllPages(ctx)
	check(t, err)
	all, err := servers.ExtractServers(pages)
	check(t, err)
	if len(all) != 1500 {
		t.Errorf("%d servers are listed, want 1500", len(all))
	}
	imagePages, err := images.List(glance, images.ListOpts{Name: "cirros"}).AllPages(ctx)
	check(t, err)
	found, err := images.ExtractImages(imagePages)
	check(t, err)
	networkPages, err := networks.List(neutron, networks.ListOpts{Name: "private2"}).AllPages(ctx)
	check(t, err)
	nets, err := networks.ExtractNetworks(networkPages)
	check(t, err)
	if len(found) != 1 || len(nets) != 1 {
		t.Fatalf("%d images and %d networks are found, want one each", len(found), len(nets))
	}
	server, err := servers.Create(ctx, nova, servers.CreateOpts{
		Name: "vm", FlavorRef: "1", ImageRef: found[0].ID, Networks: []servers.Network{{UUID: nets[0].ID}},
	}, nil).Extract()
	check(t, err)
	volume, err := volumes.Create(ctx, cinder, volumes.CreateOpts{Size: 1, AvailabilityZone: "az2"}, nil).Extract()
	check(t, err)
	_, err = volumeattach.Create(ctx, nova, server.ID, volumeattach.CreateOpts{VolumeID: volume.ID}).Extract()
	check(t, err)
	volume, err = volumes.Get(ctx, cinder, volume.ID).Extract()
	check(t, err)
	if volume.Status != "in-use" || volume.Attachments[0].ServerID != server.ID {
		t.Errorf("the volume is %s, attached to %v", volume.Status, volume.Attachments)
	}
	check(t, servers.Delete(ctx, nova, server.ID).ExtractErr())
	if _, err := servers.Get(ctx, nova, server.ID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("the deleted server answers %v, want 404", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
