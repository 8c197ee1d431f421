#!/usr/bin/env bash
# Builds what checks the chart and the compose file, from Go modules: helm, kubeconform, kubectl, an API server of Kubernetes
# with its etcd, and Docker Compose. Fetches the description of its API and the custom resources of KEDA and of the Prometheus
# operator. Needs Go 1.26.8 or newer, and for the API server 3 GB of memory and some ten minutes; `make helm-tools` runs it.
#
#   deploy/helm/tools.sh [DIRECTORY]    by default $XDG_CACHE_HOME/awb-helm-tools
set -euo pipefail
helm=v3.22.0 compose=v5.6.0 kubeconform=v0.8.0 kubernetes=v1.37.2 keda=v2.21.0 operator=v0.85.0
target="$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/awb-helm-tools}")"
# Where Go's own installer puts it, if it is not on PATH.
PATH="$PATH:/usr/local/go/bin"
command -v go >/dev/null || { echo "Go is needed to build helm and kubeconform: https://go.dev/dl" >&2; exit 1; }
mkdir -p "$target"
cd "$target"

minor="${kubernetes#v1.}"
flags="-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=${minor%.*}"
[[ -x helm ]] || GOBIN="$target" go install -ldflags "$flags" "helm.sh/helm/v3/cmd/helm@$helm"
[[ -x kubeconform ]] || GOBIN="$target" go install "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform"

# Built among its sources: `go install` refuses a module with replacements.
if [[ ! -x docker-compose ]]; then
  sources="$(go mod download -json "github.com/docker/compose/v5@$compose" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
  flags="-X github.com/docker/compose/v5/internal.Version=$compose"
  (cd "$sources" && go build -ldflags "$flags" -o "$target/docker-compose" ./cmd)
fi

# Copies a file of a module.
fetch() {
  [[ -e "$3" ]] && return
  local folder
  folder="$(go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
  install -m 0644 "$folder/$2" "$3"
}
fetch "k8s.io/kubernetes@$kubernetes" api/openapi-spec/swagger.json swagger.json
fetch "github.com/kedacore/keda/v2@$keda" config/crd/bases/keda.sh_scaledobjects.yaml scaledobject.yaml
fetch "github.com/prometheus-operator/prometheus-operator@$operator" \
  example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml servicemonitor.yaml
# Kubernetes' own modules are replaced by paths of its repository; here, they are those of the same release.
if [[ ! -x kube-apiserver ]]; then
  mkdir -p apiserver
  cd apiserver
  sources="$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
  {
    echo "module apiserver"
    sed -n 's/^go /go /p' "$sources/go.mod"
    echo "require k8s.io/kubernetes $kubernetes"
    sed -n "s|^\t\(k8s.io/[a-z0-9-]*\) => ./staging/.*|replace \1 => \1 v0.${kubernetes#v1.}|p" "$sources/go.mod"
  } >go.mod
  printf 'package tools\n\nimport (\n\t_ "go.etcd.io/etcd/server/v3"\n\t_ "k8s.io/kubernetes/cmd/kube-apiserver"\n\t_ "k8s.io/kubernetes/cmd/kubectl"\n)\n' >tools.go
  sed -i '1i //go:build tools\n' tools.go
  go mod tidy
  version=k8s.io/component-base/version
  go build -o ../etcd go.etcd.io/etcd/server/v3
  flags="-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%.*}"
  go build -o ../kubectl -ldflags "$flags" k8s.io/kubernetes/cmd/kubectl
  go build -o ../kube-apiserver -ldflags "$flags" k8s.io/kubernetes/cmd/kube-apiserver
  cd ..
fi
echo "$target: $(ls)" | tr '\n' ' '
echo
