package mitm

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files of an authority's folder. CertificateFile may hold, behind the
// authority's own certificate, those that lead from it to the root that clients
// have.
const (
	KeyFile         = "ca.key"
	CertificateFile = "ca.crt"
)

const (
	keyMode         fs.FileMode = 0o600
	certificateMode fs.FileMode = 0o644
	folderMode      fs.FileMode = 0o700
	parentMode      fs.FileMode = 0o755

	// maxFile is more than any key or bundle of certificates takes.
	maxFile = 16 << 20
)

// A StoreError says what is wrong with the files of an authority, and what to do
// about it. Err is fs.ErrNotExist where there is no authority, and fs.ErrExist
// where there is one that would be overwritten.
type StoreError struct {
	Path   string // the file or folder
	Err    error
	Remedy string // "" where there is nothing to say
}

func (e *StoreError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Path, e.Err)
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// Unwrap returns Err.
func (e *StoreError) Unwrap() error { return e.Err }

// Save writes the authority to dir, which is made with mode 0700 if need be. The
// key's file has mode 0600. Files that are there are not overwritten: then the
// error is fs.ErrExist. What root makes belongs to whom the folder does that it is in.
func (a *Authority) Save(dir string) error {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("saving certificate authority: %w", err)
	}
	if err := a.save(dir, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key})); err != nil {
		return fmt.Errorf("saving certificate authority: %w", err)
	}
	return nil
}

func (a *Authority) save(dir string, key []byte) error {
	if err := makeFolder(dir); err != nil {
		return err
	}
	keyPath, certPath := filepath.Join(dir, KeyFile), filepath.Join(dir, CertificateFile)
	if err := mayCreate(keyPath, certPath); err != nil {
		return err
	}
	if err := create(keyPath, key, keyMode); err != nil {
		return err
	}
	if err := create(certPath, a.chainPEM(), certificateMode); err != nil {
		_ = os.Remove(keyPath) // it is ours, and of no use alone
		return err
	}
	return syncFolder(dir)
}

func (a *Authority) chainPEM() []byte {
	text := a.PEM()
	for _, der := range a.above {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})...)
	}
	return text
}

// makeFolder makes dir for its owner alone. Folders above it that are missing are
// no secret.
func makeFolder(dir string) error {
	above := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(above, parentMode); err != nil {
		return err
	}
	err := os.Mkdir(dir, folderMode)
	if err == nil {
		err = handOver(above, func(uid, gid int) error { return chownFolder(dir, uid, gid) })
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkFolder(dir)
}

// checkFolder refuses a folder in which others could put a key of theirs.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &StoreError{dir, fs.ErrPermission, remedyDenied}
	case err != nil:
		return err
	case !info.IsDir():
		return &StoreError{dir, errors.New("not a folder"), "name a folder"}
	case info.Mode().Perm()&0o022 != 0:
		return &StoreError{dir, fmt.Errorf("others may write to the folder (mode %04o)", info.Mode().Perm()), "chmod 700 it, after making sure that the files in it are yours"}
	}
	return nil
}

// mayCreate says what is in the way of a new authority.
func mayCreate(key, cert string) error {
	hasKey, hasCert := exists(key), exists(cert)
	switch {
	case hasKey && hasCert:
		return &StoreError{filepath.Dir(key), fs.ErrExist, ""}
	case hasKey:
		return &StoreError{key, fs.ErrExist, "it has no certificate beside it, as when writing was interrupted: remove it if no client trusts it"}
	case hasCert:
		return &StoreError{cert, fs.ErrExist, "it has no key beside it: put the key back, or move the certificate away"}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// missing is not the contrary of exists: of what may not be looked at neither is known.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// handOver gives what root makes in somebody's folder to whom the folder belongs: a
// service that has a user of its own could not read it else.
func handOver(folder string, chown func(uid, gid int) error) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	return chown(owner(info))
}

// create writes a file that appears under its name when it is complete, and only
// if there is none of that name.
func create(path string, data []byte, mode fs.FileMode) error {
	temp, err := writeTemp(path, data, mode)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }() // the link is what stays
	return os.Link(temp, path)             // unlike a rename, it replaces nothing
}

// writeTemp writes data to the disk under a name beside path.
func writeTemp(path string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it is not used
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = handOver(filepath.Dir(path), f.Chown)
	}
	if err == nil {
		err = f.Sync()
	}
	return f.Name(), errors.Join(err, f.Close())
}

// syncFolder has the names of new files survive a crash.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RenewFiles replaces the certificate of the authority in dir by a new one
// ([Authority.Renew]), also where it has expired. The old one stays beside it, in
// the file that it returns.
func RenewFiles(dir string, valid time.Duration) (renewed *Authority, old string, err error) {
	a, err := load(dir, time.Now)
	if err != nil {
		return nil, "", fmt.Errorf("renewing certificate authority: %w", err)
	}
	if renewed, err = a.Renew(valid); err != nil {
		return nil, "", err
	}
	if old, err = renewed.replace(dir, a.cert); err != nil {
		return nil, "", fmt.Errorf("renewing certificate authority: %w", err)
	}
	return renewed, old, nil
}

func (a *Authority) replace(dir string, before *x509.Certificate) (old string, err error) {
	path := filepath.Join(dir, CertificateFile)
	old = filepath.Join(dir, fmt.Sprintf("ca-%s-%.8x.crt", before.NotBefore.UTC().Format("20060102"), before.SerialNumber.Bytes()))
	temp, err := writeTemp(path, a.chainPEM(), certificateMode)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(temp) }() // it is gone where all went well
	if err := os.Link(path, old); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if err := os.Rename(temp, path); err != nil {
		return "", err
	}
	return old, syncFolder(dir)
}

// readFile reads a file of sensible size. What check says of it holds for what is
// read, also if the file is replaced meanwhile.
func readFile(path string, check func(fs.FileInfo) error) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		err = &StoreError{path, fs.ErrPermission, remedyDenied}
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("longer than %d bytes", maxFile)
	}
	return data, err
}
