"""Checks the ServiceMonitors among rendered manifests: their shape, and that the service they look for is there.

    python k8s/service_monitor.py RENDERED
"""

import pathlib
import sys

import jsonschema
import yaml

SCHEMA = pathlib.Path(__file__).with_name("service-monitor.schema.yaml")


def finds(monitor, service):
    """Whether it would scrape this service: its labels are there, and all the ports by their names."""
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    ports = {port.get("name") for port in service["spec"].get("ports", [])}
    return (
        wanted <= service["metadata"].get("labels", {}).items()
        and service["metadata"].get("namespace") == monitor["metadata"].get("namespace")
        and all(endpoint["port"] in ports for endpoint in monitor["spec"]["endpoints"])
    )


def main(rendered):
    objects = [one for one in yaml.safe_load_all(pathlib.Path(rendered).read_text()) if one]
    monitors = [one for one in objects if one["kind"] == "ServiceMonitor"]
    services = [one for one in objects if one["kind"] == "Service"]
    if not monitors:
        sys.exit(f"there is no ServiceMonitor in {rendered}")
    check = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    for monitor in monitors:
        name = monitor.get("metadata", {}).get("name")
        for wrong in check.iter_errors(monitor):
            sys.exit(f"ServiceMonitor {name}: {wrong.json_path}: {wrong.message}")
        if not any(finds(monitor, service) for service in services):
            sys.exit(f"ServiceMonitor {name}: no service has its labels and ports")


if __name__ == "__main__":
    main(sys.argv[1])
