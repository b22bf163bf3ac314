{{- define "ei.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "ei.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "ei.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "ei.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ei.selector" -}}
app.kubernetes.io/name: {{ include "ei.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "ei.labels" -}}
{{ include "ei.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
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
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .root.Chart.AppVersion .image.tag }}{{ end -}}
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
# see whose an object is that was not expected. None is deleted: the garbage collector does that.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
# The workers' count alone, while something refuses the rest of their Deployment.
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
{{- if .Values.services.networkPolicies }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
{{- end }}
# The cluster's public keys, by which dispatchers know their workers' tokens. No right to Secrets.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
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
  verbs: [get, list, watch, create, patch]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
