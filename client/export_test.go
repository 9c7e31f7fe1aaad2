package client

// FourDecimals is fourDecimals for tests.
var FourDecimals = fourDecimals
