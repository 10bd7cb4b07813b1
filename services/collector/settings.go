package collector

import (
	"encoding/json"
	"net/http"
	"strings"
)

// settingsKey is the write key in /v1/projects/{writeKey}/settings.
func settingsKey(path string) (string, bool) {
	key, found := strings.CutPrefix(path, "/v1/projects/")
	if !found {
		return "", false
	}
	key, found = strings.CutSuffix(key, "/settings")
	return key, found && !strings.Contains(key, "/")
}

// projectSettings is what analytics-next asks for when it starts. Exactly one integration is served:
// more would make it load code that we do not have.
type projectSettings struct {
	Integrations map[string]segmentIntegration `json:"integrations"`
	Plan         map[string]map[string]enabled `json:"plan"`
}

type segmentIntegration struct {
	APIKey   string `json:"apiKey"`
	APIHost  string `json:"apiHost"`
	Protocol string `json:"protocol"`
}

type enabled struct {
	Enabled bool `json:"enabled"`
}

func (c *collector) settings(h http.Header, r *http.Request, key string) answer {
	source := c.sources.byKey[key]
	switch {
	case source == nil:
		return refusal(http.StatusNotFound, "no source has this write key")
	case source.Disabled:
		return refusal(http.StatusForbidden, "the source is switched off")
	}
	all := map[string]enabled{"__default": {Enabled: true}}
	protocol, host := c.publicAddress(r)
	body, err := json.Marshal(projectSettings{
		Integrations: map[string]segmentIntegration{
			"Segment.io": {APIKey: key, APIHost: host + "/v1", Protocol: protocol},
		},
		Plan: map[string]map[string]enabled{"track": all, "identify": all, "group": all},
	})
	if err != nil {
		return refusal(http.StatusInternalServerError, "internal error")
	}
	// The answer hangs on Host, which caches do not tell apart by Vary: each browser keeps its own.
	h.Set("Cache-Control", "private, max-age=300")
	return answer{status: http.StatusOK, body: body}
}

// publicAddress is how the browser reached us, or how it was configured to.
func (c *collector) publicAddress(r *http.Request) (protocol, host string) {
	if c.public != nil {
		return c.public.Scheme, c.public.Host + strings.TrimSuffix(c.public.Path, "/")
	}
	protocol = "http"
	if r.TLS != nil {
		protocol = "https"
	}
	if contains(c.proxies, remoteAddr(r.RemoteAddr)) {
		if forwarded := r.Header.Get("X-Forwarded-Proto"); forwarded == "http" || forwarded == "https" {
			protocol = forwarded
		}
		if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" && !strings.ContainsAny(forwarded, ", /") {
			return protocol, forwarded
		}
	}
	return protocol, r.Host
}
