package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/config"
)

// resolver reads the configuration file twice: once into the struct, so that an unknown key or a
// wrong type is refused with its line, and once as text for each flag, so that the file is handled
// as flags and environment are.
func resolver(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if err := config.DecodeYAML(text, new(config.Config)); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	values := map[string]yaml.Node{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		node, ok := values[strings.ReplaceAll(flag.Name, "-", "_")]
		switch {
		case !ok || flag.Name == "config" || fromEnvironment(flag):
			return nil, nil
		case node.Kind == yaml.ScalarNode:
			return node.Value, nil
		}
		list, err := yaml.Marshal(&node)
		return string(list), err
	}), nil
}

// fromEnvironment reports whether a flag may be set by the environment. kong asks before the
// resolvers, which would then take precedence; here the environment comes between the command line
// and the file.
func fromEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Tag.Envs, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}

// decodeParties parses the list of relying parties from one value.
func decodeParties(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("parties", &text); err != nil {
		return err
	}
	list, err := config.ParseParties(text)
	target.Set(reflect.ValueOf(list))
	return err
}

// decodePersonas reads the list of personas from one value, or from the file that it names.
func decodePersonas(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("personas", &text); err != nil {
		return err
	}
	list, err := config.ParsePersonas(text)
	target.Set(reflect.ValueOf(list))
	return err
}

// decodeFaults reads the list of faults from one value.
func decodeFaults(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("faults", &text); err != nil {
		return err
	}
	list, err := config.ParseFaults(text)
	target.Set(reflect.ValueOf(list))
	return err
}
