// A registry that the chart is pushed to in a test, pinned apart from the cluster's programs.
module elasticinference.dev/tests/cluster/registry

go 1.26.0

require github.com/google/go-containerregistry v0.22.1
