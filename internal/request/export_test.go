package request

// ContentNames describe the kinds of content that a refusal can name.
var ContentNames = contentNames
