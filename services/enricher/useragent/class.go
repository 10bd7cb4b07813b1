package useragent

import (
	"regexp"
	"strings"
)

// classOf tells the kind of device by the words of the user agent, in lower case. The first that fits counts: televisions and consoles say
// that they are Linux or Android too.
func classOf(lower, system string) string {
	switch {
	case containsAny(lower, "playstation", "nintendo", "xbox"):
		return Console
	case isTV(lower):
		return TV
	case isTablet(lower):
		return Tablet
	case containsAny(lower, "iphone", "ipod", "windows phone", "blackberry", "bb10", "opera mini", "opera mobi", "kaios", "iemobile", "symbian", "mobile"):
		return Mobile
	case strings.Contains(lower, "android"):
		return androidWithoutMobile(lower)
	case system == "iOS":
		return Mobile
	case containsAny(lower, "windows nt", "macintosh", "x11", "cros ", "windows 98", "win98", "linux x86_64", "linux i686"):
		return Desktop
	case system == "Windows" || system == "macOS" || system == "Chrome OS":
		return Desktop
	}
	return Unknown
}

func containsAny(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// fireTV are the models of Amazon's sticks and boxes.
var fireTV = regexp.MustCompile(`\baft[a-z0-9]{1,6}\b`)

func isTV(lower string) bool {
	return containsAny(lower, "smart-tv", "smarttv", "smart tv", "hbbtv", "web0s", "webos.tv", "netcast", "appletv", "apple tv", "tvos",
		"googletv", "google tv", "android tv", "androidtv", "bravia", "roku", "crkey", "viera", "aquosbrowser", "dtv", "tizen tv", "freebox", "bbox", "philipstv", "tv safari") ||
		strings.Contains(lower, "tizen") && strings.Contains(lower, " tv") ||
		fireTV.MatchString(lower)
}

func isTablet(lower string) bool {
	if containsAny(lower, "ipad", "playbook", "kindle", "silk/", "kftt", "nexus 7", "nexus 9", "nexus 10", "pixel tablet", "pixel c ") {
		return !strings.Contains(lower, "mobile safari") || containsAny(lower, "ipad", "kindle", "nexus 7", "nexus 9", "nexus 10", "pixel tablet")
	}
	// "Tablet PC" says that Windows can take a pen, not that the screen comes off.
	return strings.Contains(lower, "tablet") && !strings.Contains(lower, "tablet pc")
}

// androidWithoutMobile: a browser of Android leaves the word out on tablets; applications leave it out everywhere.
func androidWithoutMobile(lower string) string {
	if strings.HasPrefix(lower, "mozilla/") {
		return Tablet
	}
	if tabletModel.MatchString(lower) {
		return Tablet
	}
	return Mobile
}

// tabletModel are the model numbers of the tablets sold most: Samsung's, Lenovo's, Xiaomi's, Huawei's.
var tabletModel = regexp.MustCompile(`\b(sm-[txp][0-9]{3}|lenovo tb|tb-?[0-9x]|redmi pad|xiaomi pad|mi pad|(agr|ags|bah|bgo|dby|kob|sht|mrx|vog-tab)[0-9]?-[lw])`)

// botWords are words of programs that no person sits at; uap-core knows the famous ones. An address is among them: no browser carries one.
var botWords = regexp.MustCompile(`(^|[^a-z])(bot|crawler|spider|scraper|slurp)|` +
	`bot([^a-z]|$)|crawl|spider|scrapy|headless|phantomjs|puppeteer|playwright|selenium|lighthouse|pagespeed|ptst/|gtmetrix|pingdom|uptimerobot|statuscake|site24x7|` +
	`datadog|newrelic|nagios|zabbix|checkly|facebookexternalhit|facebookcatalog|meta-external|whatsapp/|skypeuripreview|` +
	`chatgpt-user|oai-search|perplexity-user|claude-user|claude-web|anthropic-ai|mistralai-user|google-extended|google-read-aloud|google-inspectiontool|googleother|` +
	`google favicon|google-site-verification|mediapartners|adsbot|apis-google|feedfetcher|feedburner|bingpreview|yahoo! slurp|ia_archiver|archive\.org|heritrix|nutch|` +
	`qwantify|bytespider|semrush|ahrefs|mj12|screaming frog|sitebulb|oncrawl|botify|seobility|siteimprove|validator|w3c_|` +
	`python-requests|python-urllib|python/|aiohttp|httpx|curl/|wget|libwww|lwp::|go-http-client|java/|jakarta|apache-httpclient|axios|node-fetch|undici|got \(|` +
	`guzzlehttp|php/|ruby|perl|powershell|postman|insomnia|httpie|http_request|winhttp|nikto|sqlmap|nmap|masscan|zgrab|nuclei|dotbot|embedly|quora link|outbrain|flipboardproxy|` +
	`https?:/|www\.|monitor|checker|fetcher|scanner|harvest|webhook|sniffer|feedly|podcast|` +
	`robots|optimizer|optimiser|crawl|archiver|indy library|webcapture|netcraft|httrack|openvas|acunetix|nessus|qualys|detectify|foregenix|hardenize|securityheaders|cookiehub|onetrust|` +
	`googleimageproxy|playstore-google|google-ads|google-agent|googleagent|google-physicalweb|google-safety|manus-user|appinsights|thousandeyes|dynatrace|ruxit|catchpoint|rigor\)|dareboost|silktide|` +
	`ghost inspector|ghostinspector|browserstack|applitools|testlocally|autoconfig test|collapsify|criticalcss|linktiger|marketgoo|hotjar version|miniature\.io|splash version|ylt chrome|newsnow|newsai/|` +
	`sindup|contentscan|productfinder|semantic-visions|watchtowr|sqwatcher|sitesucker|webcopier|readable/|uptime|synthetic|` +
	`[a-z0-9]\.(com|net|org|io|ai|co|eu|gy)([^a-z0-9.]|$)|agent([^a-z]|$)|[a-z ]scan([^a-z]|$)|` +
	`pinterestbot|slackbot|slack-img|telegrambot|twitterbot|linkedinbot|discordbot|applebot|viber.*preview|iframely|preview`)

var botPieces = clausesOf("", botWords.String())

// isBot reports whether the words say so. Cubot is a make of telephones.
func isBot(l line) bool {
	if strings.Contains(l.lower, "cubot") {
		l = lineOf(strings.ReplaceAll(l.lower, "cubot", ""))
	}
	if containsAny(l.lower, "compatible;", "compatible)") && !containsAny(l.lower, "msie", "konqueror") {
		return true // The polite form of crawlers; of browsers only these two wrote it.
	}
	return hasMailAddress(l.lower) || botPieces.maybeIn(l) && botWords.MatchString(l.lower)
}

func hasMailAddress(lower string) bool {
	at := strings.IndexByte(lower, '@')
	return at > 0 && at+1 < len(lower) && letter(lower[at-1]) && letter(lower[at+1])
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' }

// libraries are programs that a shop's own servers send events with; they say nothing about the customer.
var libraries = regexp.MustCompile(`^(analytics-(node|python|ruby|php|java|go|\.net)|segment|rudder|jitsu|axios|node|undici|got |python|aiohttp|okhttp|java/|apache-httpclient|go-http-client|guzzlehttp|php|curl/|ruby|faraday|dart:io|parcours)`)

// IsLibrary reports whether a user agent names a library of a server.
func IsLibrary(userAgent string) bool {
	return libraries.MatchString(strings.ToLower(userAgent))
}
