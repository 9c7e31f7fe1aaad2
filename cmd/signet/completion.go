package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"${enum}"`
}

// completionScripts let a shell ask "signet complete" for what may come next. With no answer it
// offers files.
var completionScripts = map[string]string{
	"bash": `_signet() {
	local IFS=$'\n'
	COMPREPLY=($(signet complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _signet signet
`,
	"zsh": `#compdef signet
_signet() {
	local -a found
	found=("${(@f)$(signet complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n $found ]]; then
		found=("${(@)found/$'\t'/:}")
		_describe signet found
	else
		_files
	fi
}
compdef _signet signet
`,
	"fish": `function __signet_complete
	signet complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c signet -f -n 'test -n "$(__signet_complete)"' -a '(__signet_complete)'
`,
}

func (c *completionCmd) Run(env *environment) error {
	_, err := fmt.Fprint(env.out, completionScripts[c.Shell])
	return err
}

// completeCmd prints what the last of the words may become, one choice to a line, with its help
// after a tab.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

func (c *completeCmd) Run(env *environment, command *kong.Context) error {
	choices := complete(command.Model.Node, c.Words)
	for _, choice := range slices.Sorted(maps.Keys(choices)) {
		if _, err := fmt.Fprintf(env.out, "%s\t%s\n", choice, choices[choice]); err != nil {
			return err
		}
	}
	return nil
}

// complete returns the commands, flags and values, with their help, that the last word may become.
// Bash makes a word of "=".
func complete(node *kong.Node, words []string) map[string]string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := strings.TrimPrefix(words[len(words)-1], "=")
	var value *kong.Flag // whose value the next word is
	arguments := 0
	for _, word := range words[:len(words)-1] {
		flag := flagOf(node, word)
		switch child := childOf(node, word); {
		case word == "=":
		case value != nil:
			value = nil
		case flag != nil:
			value = flag
		case strings.HasPrefix(word, "-"):
		case child != nil:
			node = child
		default:
			arguments++
		}
	}
	choices := map[string]string{}
	add := func(before, choice, help string) {
		if strings.HasPrefix(before+choice, last) {
			choices[before+choice] = help
		}
	}
	name, _, joined := strings.Cut(last, "=")
	switch flag := flagOf(node, name); {
	case value != nil:
		for _, v := range value.EnumSlice() {
			add("", v, "")
		}
	case joined && flag != nil:
		for _, v := range flag.EnumSlice() {
			add(name+"=", v, "")
		}
	case strings.HasPrefix(last, "-"):
		for _, flags := range node.AllFlags(true) {
			for _, f := range flags {
				add("--", f.Name, f.Help)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				add("", child.Name, child.Help)
			}
		}
		if arguments < len(node.Positional) {
			for _, v := range node.Positional[arguments].EnumSlice() {
				add("", v, "")
			}
		}
	}
	return choices
}

// flagOf returns the flag of a command, or of those above it, that a word such as "--config" or
// "-o" names and that needs a value.
func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, flags := range node.AllFlags(false) {
		for _, f := range flags {
			if !f.IsBool() && (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) {
				return f
			}
		}
	}
	return nil
}

func childOf(node *kong.Node, word string) *kong.Node {
	i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word })
	if i < 0 {
		return nil
	}
	return node.Children[i]
}
