package bypass

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// maxBody is more than the longest entry takes.
const maxBody = 64 << 10

// An Addition is what a POST to a List's Handler wants to add: the fields of an
// [Entry] as text, of which the address and the client may be single addresses.
type Addition struct {
	Name    string    `json:"name,omitempty"`
	Address string    `json:"address,omitempty"`
	Port    uint16    `json:"port,omitempty"`
	Client  string    `json:"client,omitempty"`
	User    string    `json:"user,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// Entry gives the entry, as yet unchecked but for its addresses.
func (a *Addition) Entry() (Entry, error) {
	e := Entry{Name: a.Name, Port: a.Port, User: a.User, Reason: a.Reason, Expires: a.Expires}
	for _, p := range []struct {
		what, text string
		to         *netip.Prefix
	}{{"address", a.Address, &e.Address}, {"client", a.Client, &e.Client}} {
		if p.text == "" {
			continue
		}
		var err error
		if *p.to, err = ParsePrefix(p.text); err != nil {
			return e, fmt.Errorf("%s: %w", p.what, err)
		}
	}
	return e, nil
}

// Handler serves the List below /bypass, in JSON:
//
//	GET /bypass               all entries; ?kind=tunnel for those of a kind, repeatable
//	POST /bypass              adds one, an [Addition], and answers 201 with it
//	DELETE /bypass?kind=...   clears kinds, and answers how many entries that were
//	DELETE /bypass/{id}       removes one, and answers 204
//
// An error is {"error": "..."}. It is for an administrator's listener: it asks nobody
// who he is. It only keeps other sites' pages from using it through a browser.
func (l *List) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bypass", l.serveList)
	mux.HandleFunc("POST /bypass", l.serveAdd)
	mux.HandleFunc("DELETE /bypass", l.serveClear)
	mux.HandleFunc("DELETE /bypass/{id}", l.serveRemove)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (l *List) serveList(w http.ResponseWriter, r *http.Request) {
	kinds, err := queryKinds(r)
	if err != nil {
		answerError(w, http.StatusBadRequest, err)
		return
	}
	entries := l.Entries()
	if len(kinds) > 0 {
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return !slices.Contains(kinds, e.Kind) })
	}
	answer(w, http.StatusOK, entries)
}

func (l *List) serveAdd(w http.ResponseWriter, r *http.Request) {
	// A page of another site can send text, but no JSON without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		answerError(w, http.StatusUnsupportedMediaType, errors.New("want Content-Type: application/json"))
		return
	}
	a, err := readAddition(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answerError(w, http.StatusBadRequest, err)
		return
	}
	e, err := a.Entry()
	if err == nil {
		e, err = l.Add(e)
	}
	switch {
	case errors.Is(err, ErrFull):
		answerError(w, http.StatusConflict, err)
	case err != nil:
		answerError(w, http.StatusBadRequest, err)
	default:
		answer(w, http.StatusCreated, e)
	}
}

// readAddition reads one object and nothing else.
func readAddition(r io.Reader) (a Addition, err error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf("reading the entry: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return a, errors.New("reading the entry: there is more behind it")
	}
	return a, nil
}

func (l *List) serveClear(w http.ResponseWriter, r *http.Request) {
	kinds, err := queryKinds(r)
	switch {
	case err != nil:
		answerError(w, http.StatusBadRequest, err)
		return
	case len(kinds) == 0:
		answerError(w, http.StatusBadRequest, errors.New("which kind? Add ?kind=tunnel, rejected or added"))
		return
	case slices.Contains(kinds, Configured):
		answerError(w, http.StatusConflict, errConfigured)
		return
	}
	n := 0
	for _, k := range kinds {
		n += l.Clear(k)
	}
	answer(w, http.StatusOK, map[string]int{"removed": n})
}

func (l *List) serveRemove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch {
	case l.Remove(id):
		w.WriteHeader(http.StatusNoContent)
	case l.configuredID(id):
		answerError(w, http.StatusConflict, errConfigured)
	default:
		answerError(w, http.StatusNotFound, fmt.Errorf("there is no entry %q", id))
	}
}

var errConfigured = errors.New("configured entries are in the configuration: take them out there, and have it loaded again")

func queryKinds(r *http.Request) (kinds []Kind, err error) {
	for _, s := range r.URL.Query()["kind"] {
		k, err := ParseKind(s)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nobody is there to be told
}

func answerError(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}
