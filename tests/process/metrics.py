"""What a program says of itself."""
from prometheus_client.parser import text_string_to_metric_families


class Metrics:
    """A Prometheus exposition, read by Prometheus's own client."""

    def __init__(self, text):
        self.text = text
        self.samples = {(sample.name, frozenset(sample.labels.items())): sample.value
                        for family in text_string_to_metric_families(text) for sample in family.samples}

    def get(self, name, **labels):
        return self.samples.get((name, frozenset((key, str(value)) for key, value in labels.items())))

    def sum(self, name, **labels):
        wanted = {(key, str(value)) for key, value in labels.items()}
        return sum(value for (found, having), value in self.samples.items() if found == name and wanted <= having)
