// Reads the chart's dashboards by Grafana's own schema, pinned apart from the cluster's programs.
module elasticinference.dev/tests/cluster/dashboard

go 1.23

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
