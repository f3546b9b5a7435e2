package simcloud

import (
	"strings"
	"testing"
)

func TestImages_Upload_MakesThemUsable(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	images := cloud.ImageURL() + "/v2/images"
	id := stableUUID("chosen by the client")
	body := `{"id": "` + id + `", "name": "mine", "disk_format": "raw", "container_format": "bare", "hw_x": "y", "tags": ["t"]}`
	r := c.do("POST", images, body).want(t, 201)
	if r.str("id") != id || r.str("status") != "queued" || r.str("hw_x") != "y" || r.at("size") != nil {
		t.Errorf("the new image is %s", r.text)
	}
	c.do("POST", images, body).want(t, 409)
	boot := strings.Replace(bootBody, "%s", id, 1)
	c.do("POST", nova(cloud, "/servers"), boot, mv("93")...).want(t, 400)
	c.do("PUT", images+"/"+id+"/file", "data").want(t, 204)
	c.do("PUT", images+"/"+id+"/file", "data").want(t, 409)
	if got := c.do("GET", images+"/"+id+"/file", "").want(t, 200).text; got != "data" {
		t.Errorf("the image's data is %q", got)
	}
	c.do("POST", nova(cloud, "/servers"), boot, mv("93")...).want(t, 202)
	r = c.do("PATCH", images+"/"+id, `[{"op": "replace", "path": "/name", "value": "new"}, {"op": "remove", "path": "/hw_x"}]`).want(t, 200)
	if r.str("name") != "new" || r.at("hw_x") != nil || r.at("size") != float64(4) {
		t.Errorf("the changed image is %s", r.text)
	}
	c.do("DELETE", images+"/"+id, "").want(t, 204)
	c.do("GET", images+"/"+id, "").want(t, 404)
}

func TestImages_Filters_Select(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	private := c.do("POST", cloud.ImageURL()+"/v2/images", `{"name": "mine", "visibility": "private", "tags": ["t"]}`).want(t, 201).str("id")
	for query, want := range map[string]int{
		"": 3, "name=cirros": 1, "id=in:" + stableCirros + "," + private: 2, "visibility=public": 2, "tag=t": 1, "status=queued": 1,
		"limit=2": 2, "sort=name:asc&marker=" + stableCirros: 2, "owner=x": 0,
	} {
		if got := len(c.do("GET", cloud.ImageURL()+"/v2/images?"+query, "").want(t, 200).ids("images")); got != want {
			t.Errorf("%q selects %d images, want %d", query, got, want)
		}
	}
	next := c.do("GET", cloud.ImageURL()+"/v2/images?limit=2", "").str("next")
	if got := c.do("GET", cloud.ImageURL()+next, "").want(t, 200).ids("images"); len(got) != 1 {
		t.Errorf("the second page has %v", got)
	}
	other := c.as("nova", "service")
	other.do("GET", cloud.ImageURL()+"/v2/images/"+private, "").want(t, 200) // service users have the role admin
	c.do("PATCH", cloud.ImageURL()+"/v2/images/"+stableCirros, `[]`).want(t, 403)
	c.do("POST", cloud.ImageURL()+"/v2/images", `{"visibility": "public"}`).want(t, 403)
}

func TestImages_Errors_AreHTMLUnlessJSONIsWanted(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	url := cloud.ImageURL() + "/v2/images/nosuch"
	if r := c.do("GET", url, "").want(t, 404); !strings.Contains(r.text, "<h1>404 Not Found</h1>") {
		t.Errorf("got %s", r.text)
	}
	if r := c.do("GET", url, "", "Accept", "application/json").want(t, 404); r.str("code") != "404 Not Found" {
		t.Errorf("got %s", r.text)
	}
	if r := c.do("GET", cloud.ImageURL()+"/", "").want(t, 300); r.str("versions", 0, "id") != "v2.15" {
		t.Errorf("the newest version is %s", r.text)
	}
}

func TestImages_OfAServer_AreStored(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	url := nova(cloud, "/servers/"+c.boot("vm")+"/action")
	id := c.do("POST", url, `{"createImage": {"name": "snap", "metadata": {"k": "v"}}}`, mv("45")...).want(t, 202).str("image_id")
	if r := c.do("GET", cloud.ImageURL()+"/v2/images/"+id, "").want(t, 200); r.str("name") != "snap" || r.str("k") != "v" {
		t.Errorf("the image is %s", r.text)
	}
	r := c.do("POST", url, `{"createImage": {"name": "snap"}}`).want(t, 202)
	if got := r.header.Get("Location"); !strings.HasPrefix(got, cloud.ImageURL()) {
		t.Errorf("before 2.45, Location is %q", got)
	}
}
