package e2e

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tool finds a program, or skips the test with the reason; CI requires every tool.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, fmt.Sprintf("none of %v is installed: make setup-test installs it", names))
	return ""
}

func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("PARCOURS_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s, and PARCOURS_REQUIRE_TOOLS=1 requires it", reason)
	}
	t.Skip(reason)
}

// sdks is the folder with the installed packages.
func sdks(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(root(t), ".cache", "sdk")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing(t, "the SDKs are not installed: make setup-test installs them")
	}
	return dir
}

// node runs a script of sdk/ to its end.
func node(t *testing.T, script string, env []string, args ...string) {
	t.Helper()
	program := tool(t, "node")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, program, append([]string{filepath.Join(root(t), "cmd", "parcours", "e2e", "sdk", script)}, args...)...)
	command.Env = append(os.Environ(), append(env, "SDK="+sdks(t))...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, output)
	}
}

// shopper is what every SDK's script makes one shopper do; the rows are the same for all.
func (p *pipeline) checkShopper(t *testing.T, prefix, source string) {
	t.Helper()
	p.eventually(t, "page\tAccueil\t1\ntrack\tOrder Completed\t1\ntrack\tProduct Viewed\t1\nidentify\t\t1",
		`SELECT type, name, count() FROM parcours.customer_events WHERE message_id LIKE '`+prefix+`%' AND source = '`+source+`'
		GROUP BY type, name ORDER BY type = 'identify', type, name`)
	p.eventually(t, prefix+"-order-1\t104.7\t99.8\t4.9\tEUR\tBIENVENUE\t['p-1','p-2']\t[49.9,24.95]\t[1,2]",
		`SELECT order_id, total, revenue, shipping, currency, coupon, items.product_id, items.price, items.quantity
		FROM parcours.customer_events WHERE name = 'Order Completed' AND message_id LIKE '`+prefix+`%'`)
	p.eventually(t, "https://www.example.fr/\tAccueil\thiver",
		`SELECT page_url, page_title, toString(properties.hero) FROM parcours.customer_events WHERE type = 'page' AND message_id LIKE '`+prefix+`%'`)
	// The anonymous history belongs to the identified customer.
	p.eventually(t, "1\t4",
		`SELECT uniqExact(customer_id), count() FROM parcours.customer_events WHERE message_id LIKE '`+prefix+`%'`)
	p.eventually(t, "1\t104.7",
		`SELECT count(), sum(total) FROM parcours.orders WHERE order_id = '`+prefix+`-order-1'`)
}

func (p *pipeline) nodeSDK(t *testing.T) {
	node(t, "node.cjs", nil, "http://"+p.Collector, "wk_dev_server", "node-sdk")
	p.checkShopper(t, "node-sdk", "server")
	p.eventually(t, "Maëlle\tLe Goff\tnode-sdk@example.fr",
		`SELECT first_name, last_name, email FROM parcours.contacts WHERE email = 'node-sdk@example.fr' LIMIT 1`)
}

//go:embed sdk/page.html
var pageHTML string

// browserSDK serves a page from an origin of its own, so that every call is a cross-origin one.
func (p *pipeline) browserSDK(t *testing.T) {
	library := filepath.Join(sdks(t), "node_modules", "@segment", "analytics-next", "dist", "umd")
	page := template.Must(template.New("page").Parse(pageHTML))
	for _, settings := range []string{"call", "inline"} {
		t.Run(settings, func(t *testing.T) {
			chromium := tool(t, "chromium", "chromium-browser", "google-chrome")
			prefix := "browser-" + settings
			mux := http.NewServeMux()
			mux.Handle("/umd/", http.StripPrefix("/umd/", http.FileServer(http.Dir(library))))
			mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				data := map[string]string{"Collector": p.Collector, "WriteKey": "wk_dev_web", "Prefix": prefix, "Settings": settings}
				if err := page.Execute(w, data); err != nil {
					t.Error(err)
				}
			})
			site := httptest.NewServer(mux)
			defer site.Close()
			node(t, "browser.mjs", []string{"CHROMIUM=" + chromium}, site.URL)
			p.checkShopper(t, prefix, "web")
			p.eventually(t, "1", `SELECT count() FROM parcours.customer_events
				WHERE message_id LIKE '`+prefix+`%' AND type = 'page' AND device_browser ILIKE '%chrom%' AND locale != '' AND library_name = 'analytics.js'`)
		})
	}
}
