"""JSON that people read too."""
import json


def read_json(text):
    """json.loads for what people read too: no 1.25E1 for 12.5."""
    def plain(number):
        assert "E" not in number, f"{number} is not how people write it"
        return float(number)
    return json.loads(text, parse_float=plain)
