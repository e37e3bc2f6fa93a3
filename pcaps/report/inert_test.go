package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// parsed reads a page as a browser does.
func parsed(t *testing.T, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func elements(doc *html.Node, name string) []*html.Node {
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			out = append(out, n)
		}
	}
	return out
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// skeleton is a page without what texts need, escapes and folds: elements and the names of their
// attributes, with the values that the page itself chooses.
func skeleton(doc *html.Node) string {
	for _, n := range elements(doc, "span") {
		if attr(n, "class") == "esc" {
			n.Parent.RemoveChild(n)
		}
	}
	var b strings.Builder
	for _, n := range elements(doc, "") {
		if attr(n, "class") == "long" || attr(n.Parent, "class") == "long" {
			continue // where a text can be unfolded
		}
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			if a.Key == "title" {
				continue // where a text was cut
			}
			b.WriteString(" " + a.Key)
			switch a.Key {
			case "class", "id", "href", "scope", "role":
				b.WriteString("=" + a.Val)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestHTMLIsInert(t *testing.T) {
	plain, summary := filled("plain text")
	want := skeleton(parsed(t, page(t, summary, plain)))
	for name, text := range nasty {
		t.Run(name, func(t *testing.T) {
			e, s := filled(text)
			out := page(t, s, e)
			doc := parsed(t, out)
			checkInert(t, doc)
			if strings.HasPrefix(name, "long") {
				if !strings.Contains(out, `<details class="long">`) {
					t.Error("a long text cannot be unfolded")
				}
				if len(out) > 1<<20 {
					t.Errorf("the page has %d bytes: long texts are not cut", len(out))
				}
				return
			}
			if diff := cmp.Diff(want, skeleton(doc)); diff != "" {
				t.Errorf("the text changes the page (-want +got):\n%s", diff)
			}
		})
	}
}

// checkInert finds what no page may hold, whatever came from the wire.
func checkInert(t *testing.T, doc *html.Node) {
	t.Helper()
	for n := range doc.Descendants() {
		switch n.Type {
		case html.CommentNode:
			t.Errorf("comment %q", n.Data)
		case html.TextNode:
			if n.Parent.Data != "style" && n.Parent.Data != "script" {
				checkVisible(t, n.Data)
			}
		case html.ElementNode:
			for _, a := range n.Attr {
				checkVisible(t, a.Val)
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "autofocus":
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				case a.Key == "href" && !regexp.MustCompile(`^#[a-z]+\d*$`).MatchString(a.Val):
					t.Errorf("link to %q", a.Val)
				}
			}
		default:
		}
	}
	if n := len(elements(doc, "script")) + len(elements(doc, "style")); n != 2 {
		t.Errorf("%d scripts and styles", n)
	}
}

// checkVisible finds characters that act, hide or turn the text.
func checkVisible(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r == '\n' {
			continue // the template's
		}
		if !unicode.IsPrint(r) || unicode.In(r, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			t.Errorf("%U in %.80q", r, s)
			return
		}
	}
	if strings.Contains(s, "\u0310\u0334\u0310") {
		t.Errorf("a pile of marks in %.80q", s)
	}
}

func TestHTMLShowsEscapes(t *testing.T) {
	e := tunnel()
	e.PPP.User = "evil\u202eresu\x1b[31m"
	out := page(t, summaryOf(e), e)
	for _, want := range []string{
		`evil<span class="esc">\u202e</span>resu<span class="esc">\x1b</span>[31m`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s", want)
		}
	}
	e = tunnel()
	e.Source = "captures/" + strings.Repeat("\u202e", 40) + ".pcap"
	if want := `title="captures/` + strings.Repeat(`\u202e`, 40); !strings.Contains(page(t, summaryOf(e), e), want) {
		t.Errorf("no %s", want)
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	e := tunnel()
	doc := parsed(t, page(t, summaryOf(e), e))
	var policy string
	for _, m := range elements(doc, "meta") {
		if attr(m, "http-equiv") == "Content-Security-Policy" {
			policy = attr(m, "content")
		}
	}
	hash := func(name string) string {
		sum := sha256.Sum256([]byte(textOf(elements(doc, name)[0])))
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	want := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'", hash("style"), hash("script"))
	if policy != want {
		t.Errorf("policy %s\nwant   %s", policy, want)
	}
}
