package token

import "errors"

// Check is one of the things that are checked of a call, in the words of an explanation.
type Check string

// The checks of a token, in the order in which [Verifier] makes them (docs/contract.md, 2.2.9).
const (
	CheckAuthorization Check = "Authorization header"
	CheckHeader        Check = "token header"
	CheckForm          Check = "form of the signature"
	CheckPayload       Check = "token payload"
	CheckClaims        Check = "claims"
	CheckTimes         Check = "times"
	CheckAudience      Check = "audience"
	CheckParty         Check = "relying party"
	CheckKey           Check = "key"
	CheckSignature     Check = "signature"
	CheckJTI           Check = "jti"
	CheckArguments     Check = "arguments"
)

// Checks lists the checks of a token in their order.
func Checks() []Check {
	return []Check{
		CheckAuthorization, CheckHeader, CheckForm, CheckPayload, CheckClaims, CheckTimes,
		CheckAudience, CheckParty, CheckKey, CheckSignature, CheckJTI, CheckArguments,
	}
}

// failure is an error with the check that failed. Its text is the error's.
type failure struct {
	check Check
	error
}

func (f failure) Unwrap() error { return f.error }

// failed names the check that err is from; nil stays nil.
func failed(check Check, err error) error {
	if err == nil {
		return nil
	}
	return failure{check, err}
}

// FailedCheck returns the check that an error of a [Verifier] is from, or "".
func FailedCheck(err error) Check {
	if f, ok := errors.AsType[failure](err); ok {
		return f.check
	}
	return ""
}
