package vectors

import (
	"fmt"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/server/portal"
)

// returnFile is return_urls.json.
type returnFile struct {
	About   string         `json:"about"`
	Returns []returnVector `json:"returns"`
	Refused []refusedURL   `json:"refused"`
}

// returnVector is where the signer's browser goes.
type returnVector struct {
	RedirectURL string `json:"redirect_url"` // as registered
	RequestID   string `json:"request_id"`
	Status      string `json:"status"`
	URL         string `json:"url"`
}

// refusedURL is a redirect URL that cannot be registered with the service.
type refusedURL struct {
	RedirectURL string `json:"redirect_url"`
	Reason      string `json:"reason"`
}

func makeReturnURLs() (any, error) {
	f := &returnFile{
		About: "The way back: the registered URL with the two parameters added, its own query kept " +
			"byte for byte; and redirect URLs that cannot be registered.",
	}
	for _, registered := range []string{
		"https://shop.example",
		"https://shop.example/back",
		"https://shop.example/back?",
		"https://shop.example/back?a=b",
		"https://shop.example/back?a=1;b=2&p=%zz",
		"https://shop.example/back?flag&x=%2B+%3d&y=",
		"https://shop.example/back?to=/a?b=c",
		"https://shop.example/b%2Fc/d?a=b",
		"https://shop.example:8443/back?status=theirs&a=1&request_id=2&status=3",
		"https://shop.example/back?%73tatus=theirs&statuses=1",
	} {
		for _, status := range []string{api.StatusSuccess, api.StatusCancelled} {
			v := returnVector{RedirectURL: registered, RequestID: requestID, Status: status}
			if problem := v.problem(); problem != nil {
				return nil, fmt.Errorf("%s: %w", registered, problem)
			}
			v.URL = v.returned()
			f.Returns = append(f.Returns, v)
		}
	}
	for _, registered := range []string{
		"", "shop.example/back", "http://shop.example/back", "javascript:alert(1)", "https:///back",
		"https://user:secret@shop.example/back", "https://shop.example/back#top",
		"https://shop.example/back?a=b c", "https://shop.example/back?a={b}",
		"https://shop.example/back?ä=1",
	} {
		problem := returnVector{RedirectURL: registered}.problem()
		if problem == nil {
			return nil, fmt.Errorf("%s: the code accepts it", registered)
		}
		f.Refused = append(f.Refused, refusedURL{registered, problem.Error()})
	}
	return f, nil
}

// problem is why the URL cannot be registered, or nil.
func (v returnVector) problem() error {
	p := party.Party{RedirectURL: v.RedirectURL}
	return p.Problems(safehttp.Policy{})[party.FieldRedirect]
}

// returned is where the code sends the browser.
func (v returnVector) returned() string {
	return portal.ReturnURL(&party.Party{RedirectURL: v.RedirectURL}, v.RequestID, v.Status)
}
