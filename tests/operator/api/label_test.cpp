#include "operator/api/label.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace api = ei::api;

TEST_CASE("Names and values of labels are as Kubernetes wants them") {
  struct Row {
    std::string text;
    bool name;
    bool value;
  };
  std::string const a63(63, 'a');
  std::string const a64(64, 'a');
  for (auto const& row : {
           Row{"disk", true, true},
           Row{"Disk_1.x-y", true, true},
           Row{"example.com/disk", true, false},
           Row{"1e.co-m/Disk", true, false},
           Row{a63, true, true},
           Row{"x/" + a63, true, false},
           Row{std::string(253, 'a') + "/x", true, false},
           Row{"", false, true},
           Row{a64, false, false},
           Row{"x/" + a64, false, false},
           Row{std::string(254, 'a') + "/x", false, false},
           Row{"bad key", false, false},
           Row{"-disk", false, false},
           Row{"disk-", false, false},
           Row{"/disk", false, false},
           Row{"example.com/", false, false},
           Row{"Example.com/disk", false, false},
           Row{"a..b/disk", false, false},
           Row{"a/b/c", false, false},
           Row{"ü", false, false},
       }) {
    INFO(row.text);
    CHECK(api::is_label_name(row.text) == row.name);
    CHECK(api::is_label_value(row.text) == row.value);
  }
}
