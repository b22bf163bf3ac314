{{- /*
Values that are missing get their defaults: those that an upgrade with --reuse-values does not have because the release
is older than they are, and those that --set BLOCK=null takes away. Every template begins with it, as nobody knows which
one is rendered first. Where the user's own words are the keys (labels, resources, ...) null means none.
*/ -}}
{{- define "ei.complete" -}}
{{- include "ei.fill" (dict "values" .Values "defaults" (.Files.Get "files/defaults.yaml" | fromYaml)) -}}
{{- end -}}

{{- define "ei.fill" -}}
{{- $free := list "resources" "labels" "annotations" "nodeSelector" "affinity" "podAnnotations" "podLabels" -}}
{{- range $key, $default := .defaults -}}
{{- $own := get $.values $key -}}
{{- if and (has $key $free) (kindIs "map" $default) -}}
{{- if not $own }}{{ $_ := set $.values $key dict }}{{ end -}}
{{- else if or (not (hasKey $.values $key)) (kindIs "invalid" $own) -}}
{{- $_ := set $.values $key $default -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $own) -}}
{{- include "ei.fill" (dict "values" $own "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ei.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* Also the beginning of a Service's name, which allows less than a release's: no dot, and a letter comes first. */ -}}
{{- define "ei.fullname" -}}
{{- $name := printf "%s-%s" .Release.Name (include "ei.name" .) -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains (include "ei.name" .) .Release.Name -}}
{{- $name = .Release.Name -}}
{{- end -}}
{{- $name = regexReplaceAll "-+$" (trunc 40 $name) "" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the release %q would make objects named %q; allowed for a Service: small letters, digits and -, a letter first. Choose another release name, or set fullnameOverride" .Release.Name $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "ei.selector" -}}
app.kubernetes.io/name: {{ include "ei.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "ei.labels" -}}
{{ include "ei.selector" . }}
{{- /* A label takes no +, which begins the build metadata of a version. */}}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "ei.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ei.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* An image reference: (dict "image" .Values.image "root" .) */ -}}
{{- define "ei.image" -}}
{{- with .root.Values.imageRegistry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default (.root.Chart.AppVersion | replace "+" "_") .image.tag }}{{ end -}}
{{- end -}}

{{- /* What the operator does with services and their children, in every namespace it serves. */ -}}
{{- define "ei.rules" -}}
- apiGroups: [elasticinference.dev]
  resources: [inferenceservices]
  verbs: [list, watch]
- apiGroups: [elasticinference.dev]
  resources: [inferenceservices/status]
  verbs: [patch]
# Owner references that block deletion need this where OwnerReferencesPermissionEnforcement is on.
- apiGroups: [elasticinference.dev]
  resources: [inferenceservices/finalizers]
  verbs: [update]
# Children are written by server-side apply: create when absent, patch after that; get only to
# see whose an object is that was not expected. None is deleted: the garbage collector does that. But where
# OwnerReferencesPermissionEnforcement is on, only who may delete an object may write its owner into one that exists:
# what an earlier service left (--cascade=orphan), or whose owner somebody took away.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The workers' count alone, while something refuses the rest of their Deployment.
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.services.networkPolicies }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
# The cluster's public keys, by which dispatchers know their workers' tokens. No right to Secrets.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# A worker that hangs is replaced by deleting its pod.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
# Whose a pod is: by the UIDs of its owners, not by its labels.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
{{- if not (has .Values.allow.claims (list "" "none" "*")) }}
# Whether a claim that a service names has the label of allow.claims.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- end }}
{{- if .Values.services.serviceMonitors }}
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
