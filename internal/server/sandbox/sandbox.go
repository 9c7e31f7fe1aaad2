// Package sandbox is what only `signet sandbox` shows in a browser: people who do not exist, the
// identity provider that knows them, and a demo relying party.
//
// Start at the part that you need: provider.go (OpenID Connect) or demo.go. `signet serve` mounts
// nothing of this package. Package control has the API that tests drive.
package sandbox

import (
	"github.com/signet-sign/signet/internal/signer"
)

// Persona is a person of the sandbox.
type Persona struct {
	signer.Person
	Note string // for the page that asks which persona to be; may be empty
}

// Personas returns the people of a sandbox without --personas. Their NRICs and FINs have valid
// check letters and belong to no known person; the first two are the ones that the ecosystem's
// other test tools use.
func Personas() []Persona {
	return []Persona{
		{signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}, "the usual signer"},
		{signer.Person{UIN: "S8116474F", Name: "LIM CHENG HAO"}, "another person"},
		{signer.Person{UIN: "T0066846F", Name: "NUR AISYAH BINTE RAHMAN"}, "a T-series NRIC"},
		{signer.Person{UIN: "F1612345P", Name: "RAJESH S/O KUMARASAMY"}, "an F-series FIN"},
		{
			signer.Person{UIN: "G1612345K", Name: "ANNE-MARIE D'SOUZA-ØSTERGÅRD"},
			"a G-series FIN, and a name with accents",
		},
		{
			signer.Person{
				UIN: "M1612345L", Name: "PRIYADARSHINI VENKATARAMANAN SUBRAMANIAM CHANDRASEKARAN",
			},
			"an M-series FIN, and a long name",
		},
	}
}
