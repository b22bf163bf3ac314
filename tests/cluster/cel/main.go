// Evaluates CEL expressions on Kubernetes objects as Flux does: the object's top-level fields are the variables.
// The arguments are expressions; each object that comes in, as JSON, gives one line with a list of their results.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

var fields = []string{"apiVersion", "kind", "metadata", "spec", "status"}

func run(expressions []string, in io.Reader, out io.Writer) error {
	options := []cel.EnvOption{cel.OptionalTypes(), ext.Strings()}
	for _, name := range fields {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return err
	}
	var programs []cel.Program
	for _, text := range expressions {
		checked, issues := env.Compile(text)
		if issues.Err() != nil {
			return fmt.Errorf("%s: %w", text, issues.Err())
		}
		program, err := env.Program(checked)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		programs = append(programs, program)
	}
	objects := json.NewDecoder(in)
	lines := json.NewEncoder(out)
	for {
		object := map[string]any{}
		if err := objects.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		results := []any{}
		for i, program := range programs {
			value, _, err := program.Eval(object)
			if err != nil {
				return fmt.Errorf("%s: %w", expressions[i], err)
			}
			results = append(results, value.Value())
		}
		if err := lines.Encode(results); err != nil {
			return fmt.Errorf("writing a line: %w", err)
		}
	}
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cel:", err)
		os.Exit(1)
	}
}
