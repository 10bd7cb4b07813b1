package useragent

import "strings"

// Hints are the client hints of the browser, as its headers write them. Browsers freeze the user agent and tell the truth here.
type Hints struct {
	// Brands is a list such as "Chromium";v="126", "Google Chrome";v="126".
	Brands string
	// Mobile is "1" or "0", and empty when nothing was said.
	Mobile                           string
	Platform, PlatformVersion, Model string
}

func (h Hints) clone() Hints {
	return Hints{
		Brands: strings.Clone(h.Brands), Mobile: strings.Clone(h.Mobile), Platform: strings.Clone(h.Platform),
		PlatformVersion: strings.Clone(h.PlatformVersion), Model: strings.Clone(h.Model),
	}
}

// Given reports whether there is any hint.
func (h Hints) Given() bool { return h != Hints{} }

// applyHints puts what the browser states in the place of what its user agent lets guess.
func (p *Parser) applyHints(d *Device, l line, h Hints) {
	if !h.Given() {
		return
	}
	hintSystem(d, unquote(h.Platform), unquote(h.PlatformVersion))
	if model := unquote(h.Model); model != "" && model != "K" {
		d.Model = model
		if brand := p.brandOf(model); brand != "" {
			d.Brand = brand
		}
	}
	hintBrowser(d, h.Brands, h.Mobile == "1")
	if d.Class == "" || d.Class == Unknown {
		d.Class = classOf(l.lower, d.OS)
	}
	switch {
	case h.Mobile == "1" && (d.Class == Desktop || d.Class == Unknown):
		d.Class = Mobile
	case h.Mobile == "0" && d.OS == "Android" && (d.Class == Mobile || d.Class == Unknown):
		d.Class = Tablet
	case d.Class == Unknown && d.OS == "Android":
		d.Class = Mobile
	}
	if strings.Contains(h.Brands, "Headless") && !d.Bot {
		d.Bot, d.BotName, d.BotKind = true, "HeadlessChrome", KindTool
	}
}

func unquote(text string) string { return strings.Trim(strings.TrimSpace(text), `"`) }

func hintSystem(d *Device, platform, version string) {
	if platform == "" || platform == "Unknown" {
		return
	}
	name := systemName(platform)
	if name != d.OS {
		d.OS, d.OSVersion = name, ""
	}
	if version == "" {
		return
	}
	switch name {
	case "Windows":
		version = windowsVersion(version)
	case "Android", "macOS":
		version = strings.TrimSuffix(strings.TrimSuffix(version, ".0"), ".0")
	}
	d.OSVersion = version
}

// windowsVersion translates the number that browsers give for Windows, as its publisher's table does.
func windowsVersion(hint string) string {
	major, minor, _ := strings.Cut(hint, ".")
	switch {
	case major == "0" && strings.HasPrefix(minor, "1"):
		return "7"
	case major == "0" && strings.HasPrefix(minor, "2"):
		return "8"
	case major == "0" && strings.HasPrefix(minor, "3"):
		return "8.1"
	case len(major) == 1:
		return "10"
	case major == "10":
		return "10"
	}
	return "11" // 13 and above; 11 and 12 were never given.
}

// brandNames maps the brands of the hints to the names of uap-core, so that a browser has one name. Order counts: derived browsers first.
var brandNames = []struct{ hint, desktop, mobile string }{
	{"Microsoft Edge", "Edge", "Edge Mobile"},
	{"Opera", "Opera", "Opera Mobile"},
	{"OperaMobile", "Opera", "Opera Mobile"},
	{"Opera GX", "Opera", "Opera Mobile"},
	{"Samsung Internet", "Samsung Internet", "Samsung Internet"},
	{"YaBrowser", "Yandex Browser", "Yandex Browser"},
	{"Brave", "Brave", "Brave"},
	{"Vivaldi", "Vivaldi", "Vivaldi"},
	{"DuckDuckGo", "DuckDuckGo", "DuckDuckGo Mobile"},
	{"Android WebView", "Chrome Mobile WebView", "Chrome Mobile WebView"},
	{"Microsoft Edge WebView2", "Edge", "Edge"},
	{"Google Chrome", "Chrome", "Chrome Mobile"},
}

// hintBrowser names the browser by its brand. An application that shows pages in a web view keeps the name that the user agent gave it.
func hintBrowser(d *Device, brands string, mobile bool) {
	if brands == "" {
		return
	}
	for _, brand := range brandNames {
		version, ok := brandVersion(brands, brand.hint)
		if !ok {
			continue
		}
		name := brand.desktop
		if mobile {
			name = brand.mobile
		}
		if brand.hint == "Android WebView" && d.Browser != "" && !strings.HasPrefix(d.Browser, "Chrome") {
			return
		}
		if name != d.Browser || !strings.HasPrefix(d.BrowserVersion, version+".") {
			d.BrowserVersion = version
		}
		d.Browser = name
		return
	}
}

// brandVersion finds "name";v="version" in a list of brands.
func brandVersion(brands, name string) (string, bool) {
	rest := brands
	for {
		at := strings.Index(rest, name)
		if at < 0 {
			return "", false
		}
		before, after := rest[:at], rest[at+len(name):]
		rest = after
		if before != "" && !strings.HasSuffix(before, `"`) && !strings.HasSuffix(before, ", ") && !strings.HasSuffix(before, ",") {
			continue
		}
		after = strings.TrimPrefix(after, `"`)
		if after != "" && after[0] != ';' && after[0] != ',' {
			continue
		}
		version, _, _ := strings.Cut(strings.TrimPrefix(after, ";v="), ",")
		return unquote(version), true
	}
}
