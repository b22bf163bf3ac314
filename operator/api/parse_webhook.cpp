#include "operator/api/parse_webhook.hpp"

#include <algorithm>
#include <charconv>

#include "operator/api/limits.hpp"
#include "operator/api/names.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/redact.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;
constexpr auto kNone = std::string_view::npos;

bool is_host(std::string_view host) {
  if (host.empty()) return false;
  if (host.front() != '[') {
    return is_alnum(host.front()) && std::all_of(host.begin(), host.end(), [](char c) {
             return is_alnum(c) || c == '-' || c == '_' || c == '.';
           });
  }
  auto const inside = host.substr(1, host.size() - 2);
  return host.back() == ']' && inside.find(':') != kNone &&
         std::all_of(inside.begin(), inside.end(),
                     [](char c) { return std::string_view("0123456789abcdefABCDEF:.").find(c) != kNone; });
}

bool is_port(std::string_view digits) {
  std::uint16_t port = 0;
  auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return failed == std::errc() && end == digits.data() + digits.size() && digits.front() != '0';
}

/// As the CRD's expression has it: no user info, which everybody could read, and no fragment.
bool is_webhook_url(std::string_view url) {
  for (std::string_view const scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme)) continue;
    auto const rest = url.substr(scheme.size());
    auto const authority = rest.substr(0, rest.find_first_of("/?"));
    auto const colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    bool const port_fits = colon == kNone || is_port(authority.substr(colon + 1));
    return is_host(authority.substr(0, colon)) && port_fits && is_printable(url) && url.find('#') == kNone;
  }
  return false;
}

void read_url(ObjectReader& reader, std::string& url) {
  reader.read("url", url, kMaxUriLength);
  if (!reader.has("url")) {
    reader.fail("url",
                "Required value: where snapshots are posted, such as https://policy.default.svc/decide");
  } else if (!is_webhook_url(url)) {
    reader.fail("url", invalid_value(json::value(display_url(url)),
                                     "http:// or https://, a host, perhaps a port and a path; no user info, "
                                     "no fragment and no blanks"));
  }
}

void read_ca_bundle(ObjectReader& reader, std::string& ca_pem) {
  std::string text;
  reader.read("caBundle", text, kMaxCaBundleLength);
  if (!reader.has("caBundle")) return;
  auto decoded = base64_decode(text);
  if (decoded && decoded->find("-----BEGIN CERTIFICATE-----") != std::string::npos) {
    ca_pem = *std::move(decoded);
    return;
  }
  reader.fail("caBundle", invalid_value(json::value(text), "certificates as PEM, in base64"));
}

}  // namespace

void read_webhook(ObjectReader& scaling, Spec& spec) {
  constexpr std::string_view kName = "webhook";
  auto& settings = spec.scaling;
  bool const wanted = settings.policy == scaling::Policy::Webhook;
  if (!scaling.has(kName)) {
    if (wanted)
      scaling.fail(kName, "Required value: policy Webhook needs the URL of the program that decides");
    (void)scaling.take(kName);
    return;
  }
  auto reader = scaling.object(kName);
  auto& webhook = spec.webhook.emplace_back();
  read_url(reader, webhook.url);
  reader.read("timeout", webhook.timeout, kWebhookTimeout);
  if (webhook.timeout > settings.interval) {
    reader.fail("timeout",
                invalid_value(json::value(format_duration(webhook.timeout)),
                              "at most spec.scaling.interval (" + format_duration(settings.interval) +
                                  "): one answer is awaited at a time"));
  }
  read_ca_bundle(reader, webhook.ca_pem);
  reader.read("onFailure", settings.on_webhook_failure,
              {{"Hold", scaling::WebhookFailure::Hold}, {"Latency", scaling::WebhookFailure::Latency}});
  reader.finish();
  if (!wanted) scaling.fail(kName, "Forbidden: needs policy Webhook, under which it decides");
}

}  // namespace ei::api
