package identifier

import (
	"strings"
	"unicode/utf8"
)

// nobody are the values programs send when they have none, in lower case.
var nobody = map[string]struct{}{
	"": {}, "-1": {}, "null": {}, "nil": {}, "undefined": {}, "none": {}, "nan": {}, "n/a": {}, "na": {},
	"anonymous": {}, "anonyme": {}, "guest": {}, "invite": {}, "invité": {}, "unknown": {}, "inconnu": {},
	"[object object]": {}, "true": {}, "false": {}, "not_authenticated": {}, "undefined undefined": {},
	"(not set)": {}, "(none)": {}, "void": {}, "empty": {}, "vide": {}, "aucun": {},
}

const longestNobody = 24

// quotes are what encoders leave around a value when they encode it twice.
const quotes = `"'\` + "`"

// printedQuotes are those of word processors and spreadsheets.
const printedQuotes = quotes + " “”„‘’«»\u00a0\u202f"

// isNobody tells values that stand for "no value", also within quotes.
func isNobody(value string) bool {
	value = strings.Trim(value, quotes+" ")
	if value != "" && (value[0] >= utf8.RuneSelf || value[len(value)-1] >= utf8.RuneSelf) {
		value = strings.Trim(value, printedQuotes)
	}
	if zeroes(value) {
		return true
	}
	if len(value) > longestNobody {
		return false
	}
	_, blocked := nobody[strings.ToLower(value)]
	return blocked
}

// zeroes is ^[0-]*$: an id that was never filled in.
func zeroes(value string) bool {
	for i := range len(value) {
		if value[i] != '0' && value[i] != '-' {
			return false
		}
	}
	return true
}

// noMailbox are the words typed at a till to get past the e-mail field.
var noMailbox = map[string]struct{}{
	"test": {}, "tests": {}, "essai": {}, "nomail": {}, "noemail": {}, "no-mail": {}, "no-email": {}, "sansmail": {}, "sans-mail": {},
	"pasdemail": {}, "pasdemel": {}, "pas-de-mail": {}, "pasdadresse": {}, "aucun": {}, "aucune": {}, "azerty": {}, "qwerty": {},
	"anonyme": {}, "anonymous": {}, "inconnu": {}, "unknown": {}, "null": {}, "undefined": {}, "none": {}, "na": {}, "nc": {}, "xx": {}, "xxx": {},
	"toto": {}, "mail": {}, "email": {}, "client": {}, "neant": {}, "vide": {},
}

// testMailbox tells addresses typed to satisfy a form: the same word on both sides (test@test.com), one
// letter only (a@a.fr), a word that says there is none at any domain (pasdemail@gmail.com), or a word of
// the trade where anybody can have a mailbox (test@gmail.com).
func testMailbox(local, domain string) bool {
	label, _, _ := strings.Cut(domain, ".")
	if local == label {
		if _, known := noMailbox[local]; known || len(local) <= 3 || sameByte(local) {
			return true
		}
	}
	switch local {
	case "nomail", "noemail", "pasdemail", "sansmail", "pas-de-mail", "sans-mail", "pasdemel":
		return true
	case "test", "test1", "test123", "testtest", "toto", "toto123", "tata", "azerty", "qwerty", "aaa", "aaaa", "xxx", "xxxx", "abc", "client", "inconnu", "anonyme", "aucun", "aucune", "neant":
		_, anybody := publicMail[label]
		return anybody
	}
	return false
}

// publicMail are providers where anybody can have a mailbox, by the first word of their domains.
var publicMail = map[string]struct{}{
	"gmail": {}, "googlemail": {}, "hotmail": {}, "outlook": {}, "live": {}, "yahoo": {}, "orange": {}, "wanadoo": {}, "free": {}, "sfr": {},
	"laposte": {}, "icloud": {}, "bbox": {}, "gmx": {}, "aol": {}, "protonmail": {},
}

func sameByte(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			return false
		}
	}
	return true
}

// roles are mailboxes of an office, not of a person.
var roles = map[string]struct{}{
	"abuse": {}, "accueil": {}, "admin": {}, "administrateur": {}, "administration": {}, "bonjour": {}, "boutique": {}, "caisse": {},
	"commande": {}, "commandes": {}, "commercial": {}, "compta": {}, "comptabilite": {}, "contact": {}, "contacts": {}, "direction": {},
	"hello": {}, "hostmaster": {}, "info": {}, "infos": {}, "information": {}, "mailer-daemon": {}, "magasin": {}, "marketing": {},
	"ne-pas-repondre": {}, "nepasrepondre": {}, "newsletter": {}, "no-reply": {}, "noreply": {}, "do-not-reply": {}, "donotreply": {},
	"postmaster": {}, "reception": {}, "sav": {}, "secretariat": {}, "service-client": {}, "service.client": {}, "serviceclient": {},
	"support": {}, "vente": {}, "ventes": {}, "webmaster": {},
}

func roleMailbox(local string) bool {
	if tag := strings.IndexByte(local, '+'); tag > 0 {
		local = local[:tag]
	}
	_, role := roles[local]
	return role
}
