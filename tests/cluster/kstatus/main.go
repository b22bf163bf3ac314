// What kstatus makes of Kubernetes objects, by the library that Helm's --wait and Flux use.
// Reads JSON objects one after another (such as `kubectl get NAME --watch -o json` writes) and
// prints one line of JSON for each.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func run(in io.Reader, out io.Writer) error {
	objects := json.NewDecoder(in)
	lines := json.NewEncoder(out)
	for {
		// Not into a map: only the unstructured reader keeps integers, which kstatus insists on.
		var raw json.RawMessage
		if err := objects.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		result, err := status.Compute(&object)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err)
		}
		line := map[string]any{
			"name":       object.GetName(),
			"generation": object.GetGeneration(),
			"status":     result.Status,
			"message":    result.Message,
		}
		if err := lines.Encode(line); err != nil {
			return fmt.Errorf("writing a line: %w", err)
		}
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}
