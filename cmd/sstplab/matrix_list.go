package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sstpwarden/pcaps/matrix"
	"sstpwarden/pcaps/sstpref/profile"
)

// columns writes rows whose cells are parted by tabs.
func columns(w io.Writer, rows []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	return t.Flush()
}

func listCells(w io.Writer, cells []matrix.Cell) error {
	rows := []string{"CELL\tGROUP"}
	for i := range cells {
		rows = append(rows, cells[i].ID()+"\t"+cells[i].Group)
	}
	if err := columns(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d cells\n", len(cells))
	return err
}

// listTransforms lists all that a grid can name.
func listTransforms(w io.Writer) error {
	rows := []string{"TRANSFORM\tFAMILY\tWHAT IT DOES"}
	for _, t := range matrix.Transforms() {
		about := t.About
		if t.Paths != nil {
			about += " (paths " + strings.Join(t.Paths, ", ") + ")"
		}
		rows = append(rows, t.Name+"\t"+t.Family+"\t"+about)
	}
	rows = append(rows, "", "SCENARIO\t\tWHAT IT IS, OTHER THAN SSTP")
	for _, s := range matrix.Scenarios() {
		rows = append(rows, s.Name+"\t\t"+s.About)
	}
	rows = append(rows, "", "PATH\t\tWHAT IT IS")
	for _, p := range matrix.Paths() {
		rows = append(rows, p[0]+"\t\t"+p[1])
	}
	if err := columns(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nclients: %s; of scenarios: %s\nservers: %s\ntls: %s\n",
		strings.Join(profile.ClientNames(), ", "), strings.Join(matrix.BenignClientNames(), ", "),
		strings.Join(profile.ServerNames(), ", "), strings.Join(matrix.TLSNames(), ", "))
	return err
}

func listEngines(w io.Writer) error {
	names, about, installed := matrix.KnownEngines()
	rows := []string{"ENGINE\tINSTALLED\tWHAT COUNTS"}
	for i := range names {
		here := "no"
		if installed[i] {
			here = "yes"
		}
		rows = append(rows, names[i]+"\t"+here+"\t"+about[i])
	}
	return columns(w, rows)
}
