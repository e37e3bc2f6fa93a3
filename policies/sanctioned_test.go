package policies

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// check gives what CheckData says of a document.
func checkText(t *testing.T, text string) string {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	err := CheckData(doc)
	if err == nil {
		return ""
	}
	var all DataErrors
	if !errors.As(err, &all) || all[0].File != "" || all[0].Line != 0 {
		t.Errorf("%s: got %#v", text, err)
	}
	return err.Error()
}

func TestCheckData(t *testing.T) {
	const colons = "E6:54:23:F1:A1:F1:D4:B0:F2:C3:A4:95:86:77:AB:0C:1D:2E:3F:40:51:62:73:84:95:A6:B7:C8:D9:E3:A1:1E"
	for text, want := range map[string]string{
		`{}`:                        ``,
		`{"mine": {"networks": 7}}`: ``,
		`{"sstp": 1}`:               `sstp: is where the policies themselves lie, so data cannot; give it another name`,
		`{"sanction": 1}`:           `sanction: unknown key; did you mean "sanctioned"? A key of your own needs a name less like it`,
		`{"sanctioned": []}`:        `sanctioned: is a list; write an object with servers, networks, users, windows or certificates`,
		`{"sanctioned": {"server": [], "hosts": []}}`: "sanctioned.hosts: unknown key; known are servers, networks, users, windows and certificates\n" +
			`sanctioned.server: unknown key; did you mean "servers"?`,

		`{"dry_run": ["sstp.confirmed", "lab.x"]}`: ``,
		`{"dry_run": true}`:                        `dry_run: is true or false; write a list of rule names, such as [sstp.suspected]`,
		`{"dry_run": "sstp.confirmed"}`:            `dry_run: is a text; write a list of rule names, such as [sstp.suspected]; of this one: ["sstp.confirmed"]`,
		`{"dry_run": ["sstp.supected"]}`:           `dry_run[0]: no rule is called "sstp.supected"; did you mean "sstp.suspected"?`,
		`{"dry_run": [""]}`:                        `dry_run[0]: is empty; write a rule's name`,

		`{"enforcement": {"reset": false, "ban": "10m"}}`: ``,
		`{"enforcement": "reset"}`:                        `enforcement: is a text; write an object with reset or ban`,
		`{"enforcement": {"bans": "10m"}}`:                `enforcement.bans: unknown key; did you mean "ban"?`,
		`{"enforcement": {"reset": 1}}`:                   `enforcement.reset: is a number; write true or false`,
		`{"enforcement": {"ban": 10}}`:                    `enforcement.ban: is a number; write a duration such as "10m", "90s" or "24h"`,
		`{"enforcement": {"ban": "1d"}}`:                  `enforcement.ban: "1d" is no duration; write a duration such as "10m", "90s" or "24h"`,
		`{"enforcement": {"ban": "0s"}}`:                  `enforcement.ban: "0s" is no time at all; write a duration such as "10m", "90s" or "24h", or leave it out for none`,

		`{"sanctioned": {"networks": {"network": "10.0.0.0/8"}}}`:              `sanctioned.networks: is an object; write a list of prefixes or addresses`,
		`{"sanctioned": {"networks": ["10.1.2.3/16"]}}`:                        `sanctioned.networks[0]: 10.1.2.3/16 has bits set beyond its prefix; write 10.1.0.0/16 for the network, or 10.1.2.3 for the one address`,
		`{"sanctioned": {"networks": ["2001:db8::1/32"]}}`:                     `sanctioned.networks[0]: 2001:db8::1/32 has bits set beyond its prefix; write 2001:db8::/32 for the network, or 2001:db8::1 for the one address`,
		`{"sanctioned": {"networks": ["10.0.0.0/33"]}}`:                        `sanctioned.networks[0]: "33" is no length of a prefix of 10.0.0.0; write 0 to 32`,
		`{"sanctioned": {"networks": ["10.0.0.0/255.0.0.0"]}}`:                 `sanctioned.networks[0]: "255.0.0.0" is no length of a prefix of 10.0.0.0; write 0 to 32`,
		`{"sanctioned": {"networks": ["office"]}}`:                             `sanctioned.networks[0]: "office" is no prefix and no address; write one such as 10.1.0.0/16, 10.1.2.3 or 2001:db8::/32`,
		`{"sanctioned": {"networks": ["::ffff:10.1.2.3"]}}`:                    `sanctioned.networks[0]: ::ffff:10.1.2.3 is an IPv4 address written as IPv6, which matches nothing; write 10.1.2.3`,
		`{"sanctioned": {"networks": ["fe80::1%eth0"]}}`:                       `sanctioned.networks[0]: fe80::1%eth0 names an interface; write fe80::1`,
		`{"sanctioned": {"networks": [10]}}`:                                   `sanctioned.networks[0]: is a number, and a prefix or an address is a text; write it in quotes: "10"`,
		`{"sanctioned": {"networks": [{"note": "x"}]}}`:                        `sanctioned.networks[0]: network is missing; add it`,
		`{"sanctioned": {"networks": [{"network": null}]}}`:                    `sanctioned.networks[0].network: is nothing; write a prefix or an address`,
		`{"sanctioned": {"networks": [{"network": "::/0", "until": "x"}]}}`:    `sanctioned.networks[0].until: unknown key; known are network, expires and note`,
		`{"sanctioned": {"networks": [{"network": "::/0", "expire": "x"}]}}`:   `sanctioned.networks[0].expire: unknown key; did you mean "expires"?`,
		`{"sanctioned": {"networks": [{"network": "::/0", "note": ["a"]}]}}`:   `sanctioned.networks[0].note: is a list; write a note`,
		`{"sanctioned": {"networks": [{"network": "::/0", "expires": "x"}]}}`:  `sanctioned.networks[0].expires: "x" is no date and no time; write a day such as 2026-12-31, which counts to its end in UTC, or a time such as 2026-12-31T18:00:00+01:00`,
		`{"sanctioned": {"users": [{"user": "a", "expires": "2026-02-29"}]}}`:  `sanctioned.users[0].expires: "2026-02-29" is no date and no time; write a day such as 2026-12-31, which counts to its end in UTC, or a time such as 2026-12-31T18:00:00+01:00`,
		`{"sanctioned": {"users": [{"user": "a", "expires": "9999-12-31"}]}}`:  `sanctioned.users[0].expires: 9999-12-31 lies outside the years 1678 to 2261; leave expires out for what does not expire`,
		`{"sanctioned": {"users": [{"user": "a", "expires": false}]}}`:         `sanctioned.users[0].expires: is true or false; write a date`,
		`{"sanctioned": {"users": [" "]}}`:                                     `sanctioned.users[0]: is empty; write a user's name`,
		`{"sanctioned": {"users": ["bob "]}}`:                                  `sanctioned.users[0]: "bob " has spaces at an end; take them out`,
		`{"sanctioned": {"users": [["bob"]]}}`:                                 `sanctioned.users[0]: is a list; write a user's name`,
		`{"sanctioned": {"certificates": ["` + hash + `", "` + colons + `"]}}`: ``,
		`{"sanctioned": {"certificates": ["` + hash[:40] + `"]}}`:              `sanctioned.certificates[0]: "` + hash[:40] + `" is no SHA-256: want 64 hexadecimal digits, got 40 characters; take it from ` + "`openssl x509 -noout -fingerprint -sha256`",
		`{"sanctioned": {"certificates": ["g` + hash[1:] + `"]}}`:              `sanctioned.certificates[0]: "g` + hash[1:] + `" is no SHA-256: want 64 hexadecimal digits; take it from ` + "`openssl x509 -noout -fingerprint -sha256`",

		`{"sanctioned": {"servers": ["vpn.example.org"]}}`:                                `sanctioned.servers[0]: is a text; write an object with name, addresses, certificates, expires or note`,
		`{"sanctioned": {"servers": [{"name": "vpn.example.org", "addresses": []}]}}`:     `sanctioned.servers[0]: a name alone sanctions nothing, because the client chooses it; add addresses or certificates`,
		`{"sanctioned": {"servers": [{"note": "x"}]}}`:                                    `sanctioned.servers[0]: neither addresses nor certificates are there, so it sanctions nothing; add addresses or certificates`,
		`{"sanctioned": {"servers": [{"addresses": ["10.1.2.3"], "certificates": []}]}}`:  ``,
		`{"sanctioned": {"servers": [{"addresses": "10.1.2.3"}]}}`:                        `sanctioned.servers[0].addresses: is a text; write a list of prefixes or addresses; of this one: ["10.1.2.3"]`,
		`{"sanctioned": {"servers": [{"certificates": ["x"]}]}}`:                          `sanctioned.servers[0].certificates[0]: "x" is no SHA-256: want 64 hexadecimal digits, got 1 characters; take it from ` + "`openssl x509 -noout -fingerprint -sha256`",
		`{"sanctioned": {"servers": [{"name": "10.1.2.3", "addresses": ["10.1.2.3"]}]}}`:  `sanctioned.servers[0].name: "10.1.2.3" is an address; put it into addresses, and leave name out`,
		`{"sanctioned": {"servers": [{"name": "bücher.example", "addresses": ["::1"]}]}}`: `sanctioned.servers[0].name: "bücher.example" is not as a client sends it; write its ASCII form ("xn--...")`,
		`{"sanctioned": {"servers": [{"name": "a.*.example", "addresses": ["::1"]}]}}`:    `sanctioned.servers[0].name: "a.*.example" is no name of a server; write one such as "vpn.example.org", "*.example.org" for all below it, or ".example.org" for both`,
		`{"sanctioned": {"servers": [{"name": "vpn:443", "addresses": ["::1"]}]}}`:        `sanctioned.servers[0].name: "vpn:443" is no name of a server; write one such as "vpn.example.org", "*.example.org" for all below it, or ".example.org" for both`,
		`{"sanctioned": {"servers": [{"name": null, "addresses": ["::1"]}]}}`:             `sanctioned.servers[0].name: is nothing; write a server's name`,
		`{"sanctioned": {"servers": [{"addresses": ["::1"], "networks": ["::1"]}]}}`:      `sanctioned.servers[0].networks: unknown key; known are name, addresses, certificates, expires and note`,
	} {
		if got := checkText(t, text); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestCheckWindows(t *testing.T) {
	for window, want := range map[string]string{
		`{"from": "2026-11-22T05:00:00Z", "until": "2026-11-22T06:00:00+00:30"}`: ``,
		`{"from": "2026-11-22T05:00:00Z", "until": "2026-11-22T06:00:00+01:00"}`: `sanctioned.windows[0].until: the window ends at 2026-11-22T06:00:00+01:00, which is not after its begin at 2026-11-22T05:00:00Z; swap or correct them`,
		`{"from": "2026-11-22", "until": "2026-11-23T05:00:00Z"}`:                `sanctioned.windows[0].from: "2026-11-22" is no time in the form of RFC 3339; write one such as 2026-11-22T05:00:00+01:00, or "05:00" with a zone for a window that recurs`,
		`{"from": "2026-11-22T05:00:00Z", "until": "9999-11-23T05:00:00Z"}`:      `sanctioned.windows[0].until: 9999-11-23T05:00:00Z lies outside the years 1678 to 2261; write a time in them`,
		`{"from": "2026-11-22T05:00:00Z"}`:                                       `sanctioned.windows[0]: until is missing; add it`,
		`{"note": "x"}`:                                                          "sanctioned.windows[0]: from is missing; add it\nsanctioned.windows[0]: until is missing; add it",
		`{"from": 8, "until": "09:00", "zone": "UTC"}`:                           `sanctioned.windows[0].from: is a number, and a time such as 2026-11-22T05:00:00Z, or one of the day such as "05:00" is a text; write it in quotes: "8"`,
		`"always"`: `sanctioned.windows[0]: is a text; write an object with from, until, days, zone, networks, expires or note`,

		`{"from": "08:00", "until": "18:00", "zone": "Europe/Berlin", "days": ["mon", "sun"]}`: ``,
		`{"from": "18:00", "until": "08:00", "zone": "America/St_Johns"}`:                      ``,
		`{"from": "00:00", "until": "24:00", "zone": "UTC"}`:                                   ``,
		`{"from": "24:00", "until": "08:00", "zone": "UTC"}`:                                   `sanctioned.windows[0].from: "24:00" is no time of the day; write hours and minutes, of two digits each: "08:00"`,
		`{"from": "08:00:00", "until": "18:00", "zone": "UTC"}`:                                `sanctioned.windows[0].from: "08:00:00" is no time of the day; write hours and minutes, of two digits each: "08:00"`,
		`{"from": "08:00", "until": "08:00", "zone": "UTC"}`:                                   `sanctioned.windows[0].until: the window ends when it begins; write from: "00:00" and until: "24:00" for whole days`,
		`{"from": "08:00", "until": "18:00"}`:                                                  `sanctioned.windows[0]: zone is missing; add it`,
		`{"from": "08:00", "until": "18:00", "zone": ""}`:                                      `sanctioned.windows[0].zone: is empty; write the name of a time zone`,
		`{"from": "08:00", "until": "18:00", "zone": "Local"}`:                                 `sanctioned.windows[0].zone: Local differs from machine to machine; write a name such as Europe/Berlin, or UTC`,
		`{"from": "08:00", "until": "18:00", "zone": "../etc/passwd"}`:                         `sanctioned.windows[0].zone: there is no time zone "../etc/passwd"; write a name such as Europe/Berlin, or UTC`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "days": []}`:                       `sanctioned.windows[0].days: is empty, so the window never opens; leave it out for a window on all days`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "days": "mon"}`:                    `sanctioned.windows[0].days: is a text; write a list of days: mon, tue, wed, thu, fri, sat or sun; of this one: ["mon"]`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "days": ["Monday", "x"]}`: `sanctioned.windows[0].days[0]: "Monday" is no day; did you mean "mon"?` + "\n" +
			`sanctioned.windows[0].days[1]: "x" is no day; write mon, tue, wed, thu, fri, sat or sun`,
		`{"from": "08:00", "until": "2026-11-22T05:00:00Z", "zone": "UTC"}`:                        `sanctioned.windows[0].until: "2026-11-22T05:00:00Z" is no time of the day; write one such as "08:00"; a window from one date until another has no days and no zone`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "networks": []}`:                       `sanctioned.windows[0].networks: is empty, so the window is open to nobody; leave it out for a window that is open to all`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "networks": ["10.1.2.3/8"]}`:           `sanctioned.windows[0].networks[0]: 10.1.2.3/8 has bits set beyond its prefix; write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address`,
		`{"from": "08:00", "until": "18:00", "zone": "UTC", "expires": "soon", "weekdays": "mon"}`: "sanctioned.windows[0].weekdays: unknown key; known are from, until, days, zone, networks, expires and note\nsanctioned.windows[0].expires: \"soon\" is no date and no time; write a day such as 2026-12-31, which counts to its end in UTC, or a time such as 2026-12-31T18:00:00+01:00",
		`{"from": "2026-11-22T05:00:00Z", "until": "2026-11-23T05:00:00Z", "networks": ["::/0"]}`:  ``,
	} {
		if got := checkText(t, `{"sanctioned": {"windows": [`+window+`]}}`); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", window, got, want)
		}
	}
}
