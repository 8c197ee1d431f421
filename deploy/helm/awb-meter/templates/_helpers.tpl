{{- define "awb.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "awb.selector" -}}
app.kubernetes.io/name: awb-meter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "awb.labels" -}}
{{ include "awb.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "awb.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "awb.name" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "awb.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- /* The settings as variables: scalars as they are, lists with commas, tables as JSON. */ -}}
{{- define "awb.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if and .Values.ingress.enabled .Values.ingress.tlsSecretName (not (hasKey $settings "public_url")) -}}
{{- $_ := set $settings "public_url" (printf "https://%s%s" .Values.ingress.host (trimSuffix "/" .Values.ingress.path)) -}}
{{- end -}}
{{- if .Values.rules -}}
{{- $_ := set $settings "rules" "/etc/awb-meter/rules.toml" -}}
{{- end -}}
{{- range $key, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
{{- $tables := has $key (list "routes" "scopes" "forward") }}
AWB_{{ upper $key }}: {{ if kindIs "string" $value -}}
{{ $value | quote }}
{{- else if and (kindIs "slice" $value) (not $tables) -}}
{{ join "," $value | quote }}
{{- else -}}
{{ $value | toJson | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What a pod of the meter has, whichever part it runs. */ -}}
{{- define "awb.pod" -}}
serviceAccountName: {{ include "awb.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if not (kindIs "invalid" .Values.runAsUser) }}
  runAsUser: {{ .Values.runAsUser | int64 }}
  fsGroup: {{ .Values.runAsUser | int64 }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "awb.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "awb.annotations" -}}
checksum/settings: {{ printf "%s\n%s" (include "awb.settings" .) .Values.rules | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The container of a part, up to its command. */ -}}
{{- define "awb.container" -}}
image: {{ include "awb.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "awb.securityContext" . | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "awb.name" . }}
env:
  {{- range .Values.secret.keys }}
  - name: AWB_{{ upper . }}_FILE
    value: /run/secrets/awb-meter/{{ . }}
  {{- end }}
  {{- if .Values.valkey.enabled }}
  - name: VALKEY_PASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secret.name }}
        key: valkey_password
  - name: AWB_REDIS_URL
    value: redis://:$(VALKEY_PASSWORD)@{{ include "awb.name" . }}-valkey:6379/0
  {{- end }}
volumeMounts:
  - name: secrets
    mountPath: /run/secrets/awb-meter
    readOnly: true
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
  {{- if .Values.rules }}
  - name: rules
    mountPath: /etc/awb-meter
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "awb.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .Values.secret.name }}
    defaultMode: 0440
    items:
      {{- range .Values.secret.keys }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
# Nothing of lasting value: data is in Redis, and secrets are given.
- name: data
  emptyDir:
    sizeLimit: 64Mi
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if .Values.rules }}
- name: rules
  configMap:
    name: {{ include "awb.name" . }}-rules
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What no schema can say: values that only fit together. */ -}}
{{- define "awb.check" -}}
{{- $keys := .Values.secret.keys -}}
{{- range list "webhook_secret" "session_secret" -}}
{{- if not (has . $keys) -}}
{{- fail (printf "secret.keys: %s is missing; put it into the Secret, because all receivers need the same one" .) -}}
{{- end -}}
{{- end -}}
{{- if .Values.valkey.enabled -}}
{{- if has "redis_url" $keys -}}
{{- fail "secret.keys: redis_url has no use with valkey.enabled; take it out, and put valkey_password into the Secret" -}}
{{- end -}}
{{- else if not (has "redis_url" $keys) -}}
{{- fail "secret.keys: redis_url is missing; put your Redis' URL into the Secret under this key, or set valkey.enabled" -}}
{{- end -}}
{{- $relay := default "off" .Values.settings.relay -}}
{{- $needed := list "awb-deliveries" "awb-notifications" "awb-maintenance" -}}
{{- if ne $relay "off" -}}{{- $needed = concat $needed (list "awb-relay" "awb-passcodes") -}}{{- end -}}
{{- if .Values.settings.forward -}}{{- $needed = append $needed "awb-forward" -}}{{- end -}}
{{- $worked := list -}}
{{- range .Values.workers -}}{{- if . -}}{{- $worked = concat $worked .queues -}}{{- end -}}{{- end -}}
{{- range $needed -}}
{{- if not (has . $worked) -}}
{{- fail (printf "workers: no group works on the queue %s, which these settings need; add it to the queues of one" .) -}}
{{- end -}}
{{- end -}}
{{- if and (or (ne $relay "off") .Values.settings.forward) (not (has "relay_secret" $keys)) -}}
{{- fail "secret.keys: relay_secret is missing; all parts need the same one for relays and forwards" -}}
{{- end -}}
{{- range $name, $group := .Values.workers -}}
{{- if and $group $group.autoscaling $group.autoscaling.enabled (not $.Values.autoscaling.prometheusAddress) -}}
{{- fail (printf "workers.%s.autoscaling: set autoscaling.prometheusAddress, where KEDA reads the age of queues" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host: name the host under which the Ingress publishes the meter" -}}
{{- end -}}
{{- end }}
