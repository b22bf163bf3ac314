#include "operator/page/assets.hpp"

#include "runtime/core/embed.hpp"

EI_EMBED(ei_page_html, EI_PAGE_ASSETS "/page.html");
EI_EMBED(ei_page_css, EI_PAGE_ASSETS "/page.css");
EI_EMBED(ei_page_js, EI_PAGE_ASSETS "/page.js");
EI_EMBED(ei_charts_js, EI_PAGE_ASSETS "/charts.js");
EI_EMBED(ei_stream_js, EI_PAGE_ASSETS "/stream.js");
EI_EMBED(ei_trial_js, EI_PAGE_ASSETS "/trial.js");
EI_EMBED(ei_elements_js, EI_PAGE_ASSETS "/elements.js");
EI_EMBED(ei_page_icon, EI_PAGE_ASSETS "/icon.svg");
EI_EMBED(ei_uplot_js, EI_UPLOT "/uPlot.iife.min.js");
EI_EMBED(ei_uplot_css, EI_UPLOT "/uPlot.min.css");

namespace ei::page {

std::vector<Asset> const& assets() {
  constexpr std::string_view kScript = "text/javascript; charset=utf-8";
  constexpr std::string_view kStyle = "text/css; charset=utf-8";
  static std::vector<Asset> const all{
      {"/", "text/html; charset=utf-8", {ei_page_html, ei_page_html_end}},
      {"/page.css", kStyle, {ei_page_css, ei_page_css_end}},
      {"/page.js", kScript, {ei_page_js, ei_page_js_end}},
      {"/charts.js", kScript, {ei_charts_js, ei_charts_js_end}},
      {"/stream.js", kScript, {ei_stream_js, ei_stream_js_end}},
      {"/trial.js", kScript, {ei_trial_js, ei_trial_js_end}},
      {"/elements.js", kScript, {ei_elements_js, ei_elements_js_end}},
      {"/icon.svg", "image/svg+xml", {ei_page_icon, ei_page_icon_end}},
      {"/uplot.js", kScript, {ei_uplot_js, ei_uplot_js_end}},
      {"/uplot.css", kStyle, {ei_uplot_css, ei_uplot_css_end}},
  };
  return all;
}

}  // namespace ei::page
