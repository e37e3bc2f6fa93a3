package report

import (
	"fmt"
	"strconv"

	"sstpwarden/policies/event"
)

var serverColumns = []heading{
	{Name: "Server"},
	{Name: "Verdict", About: "the strongest of its connections'"},
	{Name: "Score", About: "the highest, in decibans", Number: true},
	{Name: "Tunnels", About: "connections through which PPP ran", Number: true},
	{Name: "Attempts", About: "connections that began SSTP, and no tunnel followed", Number: true},
	{Name: "Probes", About: "requests whether SSTP is spoken there", Number: true},
	{Name: "Weak", About: "connections that something speaks for, and not enough", Number: true},
	{Name: "Would drop", About: "connections that the policy drops", Number: true},
	{Name: "Clients", About: "different addresses", Number: true},
	{Name: "Bytes", Number: true},
	{Name: "First seen"},
	{Name: "Last seen"},
}

// servers gives the table by server, the strongest case first.
func servers(list []event.Destination) *table {
	t := &table{ID: "servers", Caption: "Servers", Columns: serverColumns}
	for i := range list {
		d := &list[i]
		name, where := serverName(d.Server)
		to := textField(name)
		to.Sub = where
		verdict := d.Verdict.String()
		t.Rows = append(t.Rows, tableRow{Fields: []field{
			to,
			{Text: verdict, Class: verdictClass(verdict), Sort: strconv.Itoa(d.Verdict.Strength())},
			{Text: strconv.Itoa(d.Score)},
			amount(d.Tunnels),
			amount(d.Attempts),
			amount(d.Probes),
			amount(d.Weak),
			amount(d.Dropped),
			amount(d.Clients),
			{Text: Size(d.Bytes), Sort: strconv.FormatUint(d.Bytes, 10)},
			timeField(d.First.Time),
			timeField(d.Last.Time),
		}})
	}
	if len(list) >= MaxServers {
		t.More = fmt.Sprintf("The %d servers with the strongest cases; there may be more.", MaxServers)
	}
	return t.tidy()
}

// amount is a number that is often 0, and then not worth looking at.
func amount(n uint64) field {
	f := field{Text: number(n), Sort: strconv.FormatUint(n, 10)}
	if n == 0 {
		f.Class = "zero"
	}
	return f
}
