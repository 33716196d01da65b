#include "nodes/passes.hpp"

#include <catch2/catch.hpp>

using vp::nodes::passes;

TEST_CASE("a pass is good for its name, with who made it", "[passes]") {
  const passes ours;
  const auto pass = ours.pass_for("worker-1");
  CHECK(ours.good("worker-1", pass));
  CHECK_FALSE(ours.good("worker-2", pass));
  CHECK_FALSE(ours.good("worker-1", ""));
  CHECK_FALSE(ours.good("worker-1", pass.substr(1)));
  CHECK_FALSE(ours.good("worker-1", pass + "0"));
  CHECK_FALSE(passes{}.good("worker-1", pass));
  CHECK(pass.find("worker") == std::string::npos);
}
