package useragent

import (
	"regexp"
	"strings"
)

// Kinds of bots, as they stand in the device section of an event.
const (
	KindSearch      = "search"
	KindAI          = "ai"
	KindPreview     = "preview"
	KindMonitor     = "monitor"
	KindFeed        = "feed"
	KindAdvertising = "advertising"
	KindArchive     = "archive"
	KindTool        = "tool"
	KindOther       = "other"
)

// bot is a program by its name and what it is for.
type bot struct{ name, kind string }

// known bots by a text in lower case that their user agents hold. The first that fits counts, so the longer of two names stands first.
// What a name on this list is called, and its kind, is the same with and without the list of crawlers.
var wellKnown = indexed([]namedBot{
	// Assistants, what fetches pages for them, and collectors of texts for training.
	{"gptbot", "GPTBot", KindAI},
	{"chatgpt-user", "ChatGPT-User", KindAI},
	{"chatgpt agent", "ChatGPT Agent", KindAI},
	{"oai-searchbot", "OAI-SearchBot", KindAI},
	{"oai-adsbot", "OAI-AdsBot", KindAI},
	{"claudebot", "ClaudeBot", KindAI},
	{"claude-searchbot", "Claude-SearchBot", KindAI},
	{"claude-user", "Claude-User", KindAI},
	{"claude-web", "Claude-Web", KindAI},
	{"anthropic-ai", "anthropic-ai", KindAI},
	{"perplexitybot", "PerplexityBot", KindAI},
	{"perplexity-user", "Perplexity-User", KindAI},
	{"mistralai-user", "MistralAI-User", KindAI},
	{"mistralai-index", "MistralAI-Index", KindAI},
	{"duckassistbot", "DuckAssistBot", KindAI},
	{"meta-externalagent", "meta-externalagent", KindAI},
	{"meta-externalfetcher", "meta-externalfetcher", KindAI},
	{"meta-webindexer", "meta-webindexer", KindAI},
	{"facebookbot", "FacebookBot", KindAI},
	{"bytespider", "Bytespider", KindAI},
	{"tiktokspider", "TikTokSpider", KindAI},
	{"amazonbot", "Amazonbot", KindAI},
	{"amzn-searchbot", "Amzn-SearchBot", KindAI},
	{"amzn-user", "Amzn-User", KindAI},
	{"applebot-extended", "Applebot-Extended", KindAI},
	{"google-cloudvertexbot", "Google-CloudVertexBot", KindAI},
	{"google-notebooklm", "Google-NotebookLM", KindAI},
	{"googleagent-mariner", "GoogleAgent-Mariner", KindAI},
	{"google-agent", "Google-Agent", KindAI},
	{"gemini-deep-research", "Gemini-Deep-Research", KindAI},
	{"ccbot/", "CCBot", KindAI},
	{"cohere-ai", "cohere-ai", KindAI},
	{"cohere-training", "cohere-training-data-crawler", KindAI},
	{"ai2bot", "AI2Bot", KindAI},
	{"diffbot", "Diffbot", KindAI},
	{"youbot", "YouBot", KindAI},
	{"petalbot", "PetalBot", KindSearch},
	{"pangubot", "PanguBot", KindAI},
	{"deepseekbot", "DeepSeekBot", KindAI},
	{"omgili", "omgili", KindAI},
	{"imagesiftbot", "ImagesiftBot", KindAI},
	{"timpibot", "Timpibot", KindAI},
	{"firecrawl", "FirecrawlAgent", KindAI},
	{"manus-user", "Manus-User", KindAI},
	{"spawning-ai", "Spawning-AI", KindAI},
	{"devin/", "Devin", KindAI},
	{"iaskspider", "iaskspider", KindAI},
	{"phindbot", "PhindBot", KindAI},
	{"kagi-fetcher", "kagi-fetcher", KindAI},
	// Advertising, before the search engines of the same houses.
	{"adsbot-google", "AdsBot-Google", KindAdvertising},
	{"mediapartners-google", "Mediapartners-Google", KindAdvertising},
	{"google-adwords", "Google-AdWords", KindAdvertising},
	{"google-ads", "Google-Ads", KindAdvertising},
	{"adidxbot", "adidxbot", KindAdvertising},
	{"criteobot", "CriteoBot", KindAdvertising},
	{"ias_crawler", "IAS crawler", KindAdvertising},
	{"ias-", "IAS", KindAdvertising},
	{"grapeshot", "GrapeshotCrawler", KindAdvertising},
	{"proximic", "proximic", KindAdvertising},
	{"pinterest-ads", "Pinterest Ads", KindAdvertising},
	{"facebookcatalog", "facebookcatalog", KindAdvertising},
	{"snap url preview", "Snap URL Preview Service", KindPreview},
	{"pixalate", "Pixalate", KindAdvertising},
	// Search engines.
	{"google-inspectiontool", "Google-InspectionTool", KindSearch},
	{"google-site-verification", "Google-Site-Verification", KindSearch},
	{"googlebot-image", "Googlebot-Image", KindSearch},
	{"googlebot-video", "Googlebot-Video", KindSearch},
	{"googlebot-news", "Googlebot-News", KindSearch},
	{"googlebot", "Googlebot", KindSearch},
	{"storebot-google", "Storebot-Google", KindSearch},
	{"googleother", "GoogleOther", KindSearch},
	{"google favicon", "Google Favicon", KindSearch},
	{"google-read-aloud", "Google-Read-Aloud", KindOther},
	{"bingpreview", "BingPreview", KindPreview},
	{"bingbot", "bingbot", KindSearch},
	{"msnbot", "msnbot", KindSearch},
	{"yandexbot", "YandexBot", KindSearch},
	{"yandeximages", "YandexImages", KindSearch},
	{"baiduspider", "Baiduspider", KindSearch},
	{"duckduckbot", "DuckDuckBot", KindSearch},
	{"duckduckgo-favicons", "DuckDuckGo-Favicons-Bot", KindSearch},
	{"qwantbot", "Qwantbot", KindSearch},
	{"qwantify", "Qwantify", KindSearch},
	{"slurp", "Yahoo! Slurp", KindSearch},
	{"applebot", "Applebot", KindSearch},
	{"sogou", "Sogou spider", KindSearch},
	{"360spider", "360Spider", KindSearch},
	{"yisouspider", "YisouSpider", KindSearch},
	{"seznambot", "SeznamBot", KindSearch},
	{"exabot", "Exabot", KindSearch},
	{"ecosiabot", "EcosiaBot", KindSearch},
	{"mojeekbot", "MojeekBot", KindSearch},
	{"coccocbot", "coccocbot", KindSearch},
	{"naver", "Naver", KindSearch},
	{"yeti/", "Yeti", KindSearch},
	{"bravebot", "Bravebot", KindSearch},
	// Previews of links in messages and networks.
	{"facebookexternalhit", "facebookexternalhit", KindPreview},
	{"whatsapp/", "WhatsApp", KindPreview},
	{"linkedinbot", "LinkedInBot", KindPreview},
	{"slackbot", "Slackbot", KindPreview},
	{"slack-imgproxy", "Slack-ImgProxy", KindPreview},
	{"telegrambot", "TelegramBot", KindPreview},
	{"twitterbot", "Twitterbot", KindPreview},
	{"discordbot", "Discordbot", KindPreview},
	{"pinterestbot", "Pinterestbot", KindPreview},
	{"skypeuripreview", "SkypeUriPreview", KindPreview},
	{"microsoftpreview", "MicrosoftPreview", KindPreview},
	{"redditbot", "redditbot", KindPreview},
	{"iframely", "Iframely", KindPreview},
	{"embedly", "Embedly", KindPreview},
	{"googleimageproxy", "GoogleImageProxy", KindPreview},
	{"vkshare", "vkShare", KindPreview},
	{"bluesky cardyb", "Bluesky Cardyb", KindPreview},
	{"mastodon/", "Mastodon", KindPreview},
	{"tumblr/", "Tumblr", KindPreview},
	// Monitors.
	{"uptimerobot", "UptimeRobot", KindMonitor},
	{"uptime-kuma", "Uptime-Kuma", KindMonitor},
	{"pingdom", "Pingdom", KindMonitor},
	{"statuscake", "StatusCake", KindMonitor},
	{"site24x7", "Site24x7", KindMonitor},
	{"datadogsynthetics", "Datadog Synthetics", KindMonitor},
	{"datadog", "Datadog", KindMonitor},
	{"newrelic", "New Relic", KindMonitor},
	{"nagios", "Nagios", KindMonitor},
	{"check_http", "check_http", KindMonitor},
	{"zabbix", "Zabbix", KindMonitor},
	{"checkly", "Checkly", KindMonitor},
	{"ruxitsynthetic", "Dynatrace", KindMonitor},
	{"dynatrace", "Dynatrace", KindMonitor},
	{"thousandeyes", "ThousandEyes", KindMonitor},
	{"catchpoint", "Catchpoint", KindMonitor},
	{"gtmetrix", "GTmetrix", KindMonitor},
	{"ptst/", "WebPageTest", KindMonitor},
	{"chrome-lighthouse", "Chrome-Lighthouse", KindMonitor},
	{"pagespeed", "Google PageSpeed", KindMonitor},
	{"elb-healthchecker", "ELB-HealthChecker", KindMonitor},
	{"googlehc", "GoogleHC", KindMonitor},
	{"kube-probe", "kube-probe", KindMonitor},
	// Feeds.
	{"feedly", "Feedly", KindFeed},
	{"feedfetcher-google", "FeedFetcher-Google", KindFeed},
	{"feedburner", "FeedBurner", KindFeed},
	{"feedbin", "Feedbin", KindFeed},
	{"inoreader", "Inoreader", KindFeed},
	{"newsblur", "NewsBlur", KindFeed},
	{"flipboardproxy", "FlipboardProxy", KindFeed},
	// Archives.
	{"ia_archiver", "ia_archiver", KindArchive},
	{"archive.org_bot", "archive.org_bot", KindArchive},
	{"heritrix", "Heritrix", KindArchive},
	{"httrack", "HTTrack", KindArchive},
	{"bnf.fr_bot", "bnf.fr_bot", KindArchive},
	// What sells to those who run shops.
	{"semrushbot", "SemrushBot", KindOther},
	{"siteauditbot", "SiteAuditBot", KindOther},
	{"ahrefsbot", "AhrefsBot", KindOther},
	{"ahrefssiteaudit", "AhrefsSiteAudit", KindOther},
	{"mj12bot", "MJ12bot", KindOther},
	{"dotbot", "DotBot", KindOther},
	{"rogerbot", "rogerbot", KindOther},
	{"screaming frog", "Screaming Frog SEO Spider", KindOther},
	{"oncrawl", "OnCrawl", KindOther},
	{"botify", "Botify", KindOther},
	{"sitebulb", "Sitebulb", KindOther},
	{"dataforseobot", "DataForSeoBot", KindOther},
	{"blexbot", "BLEXBot", KindOther},
	// Libraries and browsers that are driven.
	{"headlesschrome", "HeadlessChrome", KindTool},
	{"phantomjs", "PhantomJS", KindTool},
	{"playwright", "Playwright", KindTool},
	{"puppeteer", "Puppeteer", KindTool},
	{"selenium", "Selenium", KindTool},
	{"scrapy", "Scrapy", KindTool},
	{"python-requests", "python-requests", KindTool},
	{"python-urllib", "Python-urllib", KindTool},
	{"python-httpx", "python-httpx", KindTool},
	{"aiohttp", "aiohttp", KindTool},
	{"curl/", "curl", KindTool},
	{"wget", "Wget", KindTool},
	{"go-http-client", "Go-http-client", KindTool},
	{"apache-httpclient", "Apache-HttpClient", KindTool},
	{"axios/", "axios", KindTool},
	{"node-fetch", "node-fetch", KindTool},
	{"undici", "undici", KindTool},
	{"guzzlehttp", "GuzzleHttp", KindTool},
	{"libwww-perl", "libwww-perl", KindTool},
	{"java/", "Java", KindTool},
	{"okhttp/", "okhttp", KindTool},
	{"postmanruntime", "PostmanRuntime", KindTool},
	{"insomnia/", "insomnia", KindTool},
})

// namedBot is a line of wellKnown.
type namedBot struct{ text, name, kind string }

// candidate is a bot with the text that its user agents hold.
type candidate struct {
	bot
	piece piece
}

func indexed(names []namedBot) []candidate {
	all := make([]candidate, len(names))
	for i, n := range names {
		all[i] = candidate{bot{n.name, n.kind}, pieceOf(n.text)}
	}
	return all
}

// botOf tells which bot a line is. The rules that call it one come first to last: our names, the list of crawlers, uap-core, our words, and
// what no program of a person leaves out. Spider and family are what uap-core says.
func (p *Parser) botOf(l line, spider bool, family string, system string) (bot, bool) {
	suspect := spider || isBot(l) || nameless(l, system)
	if suspect {
		for i := range wellKnown {
			if wellKnown[i].piece.maybeIn(l) {
				return wellKnown[i].bot, true
			}
		}
	}
	if found, ok := p.crawlers.find(l); ok {
		return found, true
	}
	if !suspect {
		return bot{}, false
	}
	name := productWith(l)
	if name == "" && spider {
		name = known(family)
	}
	if name == "" && !strings.HasPrefix(l.lower, "mozilla/") {
		name = firstProduct(l.text)
	}
	return bot{name, kindByWords(l.lower)}, true
}

// beginnings are how the programs of people begin: browsers, and the systems of telephones that name themselves.
var beginnings = []string{"mozilla/", "opera/", "dalvik/", "blackberry", "nokia", "samsung", "sonyericsson", "lg-", "mot-", "ucweb", "doris/", "lynx/", "links (", "w3m/", "elinks", "netfront"}

// nameless reports that a line names no system that a person could sit at, nor begins as a browser does: every browser since 1994 and the
// network stacks of the systems of telephones do one of the two.
func nameless(l line, system string) bool {
	if l.lower == "" || system != "" {
		return false
	}
	for _, beginning := range beginnings {
		if strings.HasPrefix(l.lower, beginning) {
			return false
		}
	}
	return !containsAny(l.lower, "cfnetwork", "darwin", "android", "iphone", "ipad", "ios", "windows", "macos", "mac os", "linux", " okhttp", "dart", "exoplayer", "applecoremedia", "gecko")
}

// kindWords tell what an unknown bot is for, the surer words first.
var kindWords = []struct {
	kind  string
	words *regexp.Regexp
}{
	{KindAI, regexp.MustCompile(`gpt|\bllm|[-.]ai\b|\bai[-/]|openai|anthropic`)},
	{KindFeed, regexp.MustCompile(`feed|\brss|podcast|podcatcher|subscriber`)},
	{KindMonitor, regexp.MustCompile(`monitor|uptime|\bping|health|synthetic|pagespeed|lighthouse`)},
	{KindPreview, regexp.MustCompile(`preview|unfurl|opengraph|screenshot|thumbnail|onebox|metadata`)},
	{KindAdvertising, regexp.MustCompile(`\bads?\b|adsbot|advert|\bad[-_]`)},
	{KindArchive, regexp.MustCompile(`archiv|webcopi|sitesucker`)},
	{KindTool, regexp.MustCompile(`headless|python|curl|wget|libwww|\bjava\b|http-?client|httpclient|ruby|perl|php|node|axios|scanner|nikto|sqlmap|nmap|nuclei|scrapy|^[a-z.-]*http`)},
	{KindSearch, regexp.MustCompile(`search`)},
}

func kindByWords(lower string) string {
	for _, k := range kindWords {
		if k.words.MatchString(lower) {
			return k.kind
		}
	}
	return KindOther
}

// longestName bounds the name of a bot: the text is that of whoever sent it.
const longestName = 60

var botProduct = regexp.MustCompile(`(?i)[a-z0-9][a-z0-9!._-]*(bot|crawler|spider|crawl|scraper|fetcher|checker|monitor|preview|scanner|agent)[a-z0-9_-]*`)

// productWith returns the name of the product whose name says that it is a bot.
func productWith(l line) string {
	name := botProduct.FindString(l.text)
	if len(name) > longestName || strings.Contains(name, "www.") {
		return ""
	}
	return name
}

// firstProduct returns what stands before the version or the comment.
func firstProduct(text string) string {
	end := strings.IndexAny(text, "/(;,")
	if end < 0 {
		end = len(text)
	}
	name := strings.Trim(text[:end], " +-_'\"[]")
	if len(name) > longestName || strings.Contains(name, "http:") || strings.Contains(name, "https:") {
		return ""
	}
	return name
}
