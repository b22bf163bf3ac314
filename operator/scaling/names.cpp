#include "operator/scaling/decision.hpp"
#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"

#include <algorithm>

namespace ei::scaling {

std::string_view name(Policy policy) {
  switch (policy) {
    case Policy::Latency:
      return "Latency";
    case Policy::QueueRatio:
      return "QueueRatio";
    case Policy::External:
      return "External";
    case Policy::Webhook:
      return "Webhook";
  }
  return "";
}

std::string_view name(MetricsLoss loss) {
  return loss == MetricsLoss::Hold ? "Hold" : "ScaleToMax";
}

std::string_view name(WebhookFailure failure) {
  return failure == WebhookFailure::Hold ? "Hold" : "Latency";
}

std::string_view name(Advisor advisor) {
  switch (advisor) {
    case Advisor::Latency:
      return "Latency";
    case Advisor::QueueRatio:
      return "QueueRatio";
    case Advisor::Hpa70:
      return "Hpa70";
    case Advisor::Hpa90:
      return "Hpa90";
    case Advisor::Keda:
      return "Keda";
    case Advisor::Kpa:
      return "Kpa";
    case Advisor::RayServe:
      return "RayServe";
  }
  return "";
}

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::Steady:
      return "Steady";
    case Reason::LoadRose:
      return "LoadRose";
    case Reason::BurstSeen:
      return "BurstSeen";
    case Reason::BacklogGrew:
      return "BacklogGrew";
    case Reason::QueueOverTarget:
      return "QueueOverTarget";
    case Reason::ServiceUnknown:
      return "ServiceUnknown";
    case Reason::LoadFell:
      return "LoadFell";
    case Reason::HoldingAfterLoad:
      return "HoldingAfterLoad";
    case Reason::ObservingFirst:
      return "ObservingFirst";
    case Reason::RatioUp:
      return "RatioUp";
    case Reason::RatioDown:
      return "RatioDown";
    case Reason::NotDue:
      return "NotDue";
    case Reason::WorkersNotReady:
      return "WorkersNotReady";
    case Reason::CoolingDown:
      return "CoolingDown";
    case Reason::ExternalRequest:
      return "ExternalRequest";
    case Reason::WebhookAnswered:
      return "WebhookAnswered";
    case Reason::WebhookFailed:
      return "WebhookFailed";
    case Reason::BelowMinimum:
      return "BelowMinimum";
    case Reason::AboveMaximum:
      return "AboveMaximum";
    case Reason::AtMaximum:
      return "AtMaximum";
    case Reason::MetricsMissing:
      return "MetricsMissing";
    case Reason::MetricsLost:
      return "MetricsLost";
    case Reason::Idle:
      return "Idle";
    case Reason::UsedLately:
      return "UsedLately";
    case Reason::Woken:
      return "Woken";
    case Reason::TriesSpec:
      return "TriesSpec";
    case Reason::Paused:
      return "Paused";
    case Reason::Advised:
      return "Advised";
  }
  return "";
}

std::string_view name(Term term) {
  switch (term) {
    case Term::None:
      return "None";
    case Term::Load:
      return "Load";
    case Term::Burst:
      return "Burst";
    case Term::Backlog:
      return "Backlog";
    case Term::QueueTarget:
      return "QueueTarget";
    case Term::ServiceUnknown:
      return "ServiceUnknown";
    case Term::Ratio:
      return "Ratio";
    case Term::External:
      return "External";
    case Term::Webhook:
      return "Webhook";
    case Term::MetricsLoss:
      return "MetricsLoss";
    case Term::Wake:
      return "Wake";
  }
  return "";
}

std::string_view name(Limit limit) {
  switch (limit) {
    case Limit::None:
      return "None";
    case Limit::Minimum:
      return "Minimum";
    case Limit::Maximum:
      return "Maximum";
    case Limit::HoldWindow:
      return "HoldWindow";
    case Limit::FirstWindow:
      return "FirstWindow";
    case Limit::Cooldown:
      return "Cooldown";
    case Limit::WorkersNotReady:
      return "WorkersNotReady";
    case Limit::Interval:
      return "Interval";
    case Limit::NoData:
      return "NoData";
    case Limit::IdleAfter:
      return "IdleAfter";
    case Limit::Paused:
      return "Paused";
    case Limit::Advice:
      return "Advice";
  }
  return "";
}

std::string_view name(SampleUse use) {
  switch (use) {
    case SampleUse::Fresh:
      return "Fresh";
    case SampleUse::Repeated:
      return "Repeated";
    case SampleUse::Missing:
      return "Missing";
    case SampleUse::Stale:
      return "Stale";
    case SampleUse::Invalid:
      return "Invalid";
    case SampleUse::CounterReset:
      return "CounterReset";
  }
  return "";
}

int standbys_wanted(Settings const& settings, int replicas) {
  int const maximum = std::max(settings.min_replicas, settings.max_replicas);
  return std::clamp(maximum - replicas, 0, std::max(0, settings.standby));
}

int Workers::ready() const {
  return static_cast<int>(std::count_if(list.begin(), list.end(), [](Worker const& w) { return w.ready; }));
}

int Workers::starting() const {
  return static_cast<int>(list.size()) - ready();
}

int Workers::ready_standbys() const {
  return static_cast<int>(
      std::count_if(standbys.begin(), standbys.end(), [](Worker const& w) { return w.ready; }));
}

}  // namespace ei::scaling
