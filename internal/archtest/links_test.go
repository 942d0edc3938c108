package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	pageLink    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	pageHeading = regexp.MustCompile(`^#{1,6} (.+)$`)
	pageAnchor  = regexp.MustCompile(`<a id="([^"]+)">`)
	linkText    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// prose returns the lines of a page that are outside fenced blocks.
func prose(page string) []string {
	var out []string
	fenced := false
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out = append(out, line)
		}
	}
	return out
}

// anchors are the names that a link to a page may end in, made of its headings as code
// hosts make them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, line := range prose(page) {
		for _, m := range pageAnchor.FindAllStringSubmatch(line, -1) {
			out[m[1]] = true
		}
		m := pageHeading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := strings.ToLower(linkText.ReplaceAllString(m[1], "$1"))
		name = strings.ReplaceAll(notInAnchor.ReplaceAllString(name, ""), " ", "-")
		unique := name
		for i := 1; out[unique]; i++ {
			unique = fmt.Sprintf("%s-%d", name, i)
		}
		out[unique] = true
	}
	return out
}

// deadLinks are the relative links of a page that lead nowhere.
func deadLinks(path string) ([]string, error) {
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, m := range pageLink.FindAllStringSubmatch(strings.Join(prose(string(page)), "\n"), -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		to := path
		if file != "" {
			to = filepath.Join(filepath.Dir(path), file)
		}
		if _, err := os.Stat(to); err != nil {
			dead = append(dead, m[1])
			continue
		}
		if anchor == "" || !strings.HasSuffix(to, ".md") {
			continue
		}
		target, err := os.ReadFile(to)
		if err != nil {
			return nil, err
		}
		if !anchors(string(target))[anchor] {
			dead = append(dead, m[1])
		}
	}
	return dead, nil
}

// Every relative link of every page leads to a file, and to a heading that is in it.
func TestLinksOfPages(t *testing.T) {
	dir := t.TempDir()
	page := "# One (and two)\n[a](#one-and-two) [b](#one) [c](b.md) [d](c.md) [e](https://example.com/x)\n```\n[f](#f)\n```\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte(page), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.md"), []byte("# B"), 0o600))
	dead, err := deadLinks(filepath.Join(dir, "a.md"))
	require.NoError(t, err)
	require.Equal(t, []string{"#one", "c.md"}, dead)

	for _, path := range pages(t) {
		dead, err := deadLinks(path)
		require.NoError(t, err)
		for _, link := range dead {
			t.Errorf("%s: %s is no file or heading", path, link)
		}
	}
}

// pages are all pages of the tree.
func pages(t *testing.T) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			out = append(out, path)
		}
		return nil
	}))
	require.Greater(t, len(out), 30)
	return out
}

var numbered = regexp.MustCompile(`(?i)\bsections? [0-9]`)

// “Section 5” is no address: a page links to the heading.
func TestPagesLinkToSections(t *testing.T) {
	require.Regexp(t, numbered, "see section 5")
	for _, path := range pages(t) {
		page, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, line := range prose(string(page)) {
			if numbered.MatchString(line) {
				t.Errorf("%s: %s", path, line)
			}
		}
	}
}
