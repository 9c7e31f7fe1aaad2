// Package limit bounds what one client, person or relying party may take of the service: how often
// ([Rates], [People], [Failures]) and how much at the same time ([Counts], [Turns]). Each bound
// holds for one process.
package limit
