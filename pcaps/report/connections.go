package report

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"sstpwarden/policies/event"
)

// A row is a connection's in the table, made when its event comes, so that the
// event need not be kept.
type row struct {
	verdict string
	source  string
	fields  []field
}

var connectionColumns = []heading{
	{Name: "No.", About: "leads to the details", Number: true},
	{Name: "Verdict"},
	{Name: "Policy", About: "what the policy would do, and by which rule"},
	{Name: "Client"},
	{Name: "User", About: "and the name claimed in the tunnel, where it is another, and the inner address"},
	{Name: "Server"},
	{Name: "Programs", About: "implementations of client and server, where they can be told"},
	{Name: "Began", About: "and how long it lasted"},
	{Name: "Bytes", About: "to the server and to the client", Number: true},
	{Name: "Score", About: "weight of the evidence, in decibans", Number: true},
	{Name: "File"},
}

func newRow(e *event.Event) row {
	server := serverOf(e)
	name, where := serverName(server)
	user := textField(userOf(e))
	if e.PPP != nil {
		user.Sub = address(e.PPP.ClientIP)
		if claimed := short(e.PPP.User, maxField); claimed != "" && e.PPP.User != userOf(e) {
			user.Sub = strings.TrimSuffix(claimed+", "+user.Sub, ", ")
		}
	}
	names := textField(programs(&e.Detection))
	names.Class = "w"
	began := timeField(e.Timestamp.Time)
	began.Sub = Lasted(e.Duration)
	total := e.BytesToServer + e.BytesToClient
	to := textField(name)
	to.Sub = where
	verdict := e.Detection.Verdict.String()
	return row{
		verdict: verdict,
		source:  e.Source,
		fields: []field{
			{}, // the number, once all are known
			{Text: verdict, Sub: e.Detection.Kind.String(), Class: verdictClass(verdict), Sort: strength(e)},
			policyField(e.Decision),
			{Text: end(e.SrcIP, e.SrcPort), Class: "w"},
			user,
			to,
			names,
			began,
			{Text: Size(total), Sub: Size(e.BytesToServer) + " ↑ " + Size(e.BytesToClient) + " ↓", Sort: strconv.FormatUint(total, 10)},
			{Text: strconv.Itoa(e.Detection.Score)},
			{}, // the file, without what all have in common
		},
	}
}

// strength sorts verdicts by how strong they are, and kinds within.
func strength(e *event.Event) string {
	return fmt.Sprintf("%d%d", e.Detection.Verdict.Strength(), e.Detection.Kind)
}

func policyField(d *event.Decision) field {
	if d == nil {
		return field{}
	}
	f := textField(action(d))
	f.Sub, f.Class = short(d.Rule, maxField), actionClass(d)
	return f
}

// verdictClass is a verdict as a class of the style sheet.
func verdictClass(verdict string) string {
	switch verdict {
	case "confirmed", "suspected", "undetermined", "cleared":
		return verdict
	}
	return "unknown"
}

func actionClass(d *event.Decision) string {
	if d != nil && d.Action == "drop" {
		return "drop"
	}
	return ""
}

// connections gives the table of all that is listed. The first detailed of its
// rows have details to lead to.
func connections(rows []ranked[row], detailed int, prefix string, all int) *table {
	t := &table{ID: "connections", Caption: "Connections", Columns: connectionColumns}
	for i := range rows {
		r := &rows[i].value
		no := field{Text: strconv.Itoa(i + 1)}
		if i < detailed {
			no.Href = "#" + anchor(i)
		}
		file := textField(strings.TrimPrefix(r.source, prefix))
		file.Title = short(r.source, maxTitle)
		r.fields[0], r.fields[len(r.fields)-1] = no, file
		t.Rows = append(t.Rows, tableRow{ID: "r" + no.Text, Fields: r.fields})
	}
	if left := all - len(rows); left > 0 {
		t.More = fmt.Sprintf("%s, the weakest, %s counted above and not listed here. sstpwarden audit --format json gives one line for each.",
			count(left, "connection"), are(left))
	}
	return t.tidy()
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// anchor names the details of the connection at that place.
func anchor(i int) string { return "c" + strconv.Itoa(i+1) }

// commonFolder gives the folder that all the sources are in, with its slash;
// "" if there is none or only one source.
func commonFolder(rows []ranked[row]) string {
	if len(rows) == 0 {
		return ""
	}
	common := folder(rows[0].value.source)
	differ := false
	for i := range rows {
		s := rows[i].value.source
		differ = differ || s != rows[0].value.source
		for !strings.HasPrefix(s, common) {
			common = folder(strings.TrimSuffix(common, "/"))
		}
	}
	if !differ {
		return ""
	}
	return common
}

func folder(p string) string {
	dir, _ := path.Split(p)
	return dir
}
