// SPDX-License-Identifier: Apache-2.0
//
// The state directory and its pins: what is written comes back, what was damaged says so.
#include "cli/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "cli/pins.h"

namespace forager::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class StateDirectory : public testing::Test {
 protected:
  void TearDown() override {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  static Saved lone(const std::string& name) {
    Saved out;
    out.name = name;
    out.maps.push_back({0, "flows", {{std::string("\0\x01", 2), "value"}}, true, false});
    out.lone = LoneMap{{1, 2, 5, 10, 1}, MapShape{2, 4, 4, 1, 0}};
    return out;
  }
  const std::string path_ = (fs::temp_directory_path() / ("forager_state_" + std::to_string(::getpid()))).string();
};

TEST_F(StateDirectory, ObjectsComeBackWhole) {
  Saved saved = lone("a/b");
  {
    auto state = State::open(path_);
    ASSERT_TRUE(state);
    ASSERT_TRUE(state->add(saved, {}));
    EXPECT_EQ(saved.maps.front().id, 1U);
    EXPECT_EQ(state->add(saved, {}).error().error, EEXIST);
  }
  auto state = State::open(path_);
  ASSERT_TRUE(state);
  const auto objects = state->list();
  ASSERT_TRUE(objects);
  ASSERT_EQ(objects->size(), 1U);
  const Saved& back = objects->front();
  EXPECT_EQ(back.name, "a/b");
  EXPECT_EQ(back.loaded_at, saved.loaded_at);
  ASSERT_TRUE(back.lone);
  EXPECT_EQ(back.lone->shape.value_size, 5U);
  ASSERT_TRUE(back.lone->inner);
  EXPECT_EQ(back.lone->inner->type, 2U);
  EXPECT_TRUE(back.maps.front().frozen);
  EXPECT_EQ(back.maps.front().entries.front().key, std::string("\0\x01", 2));
}

TEST_F(StateDirectory, IdsAreNeverGivenTwice) {
  auto state = State::open(path_);
  ASSERT_TRUE(state);
  Saved first = lone("first"), second = lone("second");
  ASSERT_TRUE(state->add(first, {}));
  ASSERT_TRUE(state->remove("first"));
  ASSERT_TRUE(state->add(second, {}));
  EXPECT_EQ(second.maps.front().id, 2U);
  EXPECT_EQ(state->remove("first").error().error, ENOENT);
}

TEST_F(StateDirectory, PinsGoWithTheirObject) {
  auto state = State::open(path_);
  ASSERT_TRUE(state);
  Saved saved = lone("m");
  ASSERT_TRUE(state->add(saved, {}));
  auto rows = state->registry();
  ASSERT_TRUE(rows);
  ASSERT_TRUE(add_pin(*rows, {"/sys/fs/bpf/m", PinKind::map, saved.maps.front().id}));
  ASSERT_TRUE(add_pin(*rows, {"/sys/fs/bpf/other", PinKind::map, 77}));
  EXPECT_EQ(add_pin(*rows, {"/sys/fs/bpf/m", PinKind::map, 5}).error().error, EEXIST);
  ASSERT_TRUE(state->set_registry(*rows));
  ASSERT_TRUE(state->remove("m"));
  rows = state->registry();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->pins.size(), 1U);
  EXPECT_EQ(rows->pins.front().path, "/sys/fs/bpf/other");
  EXPECT_EQ(pinned_id(*rows, PinKind::map, "/sys/fs/bpf/other"), 77U);
  EXPECT_EQ(pinned_id(*rows, PinKind::program, "/sys/fs/bpf/other").error().error, EINVAL);
  EXPECT_EQ(pinned_id(*rows, PinKind::map, "/sys/fs/bpf/m").error().error, ENOENT);
}

TEST_F(StateDirectory, DamagedFilesNameThemselves) {
  auto state = State::open(path_);
  ASSERT_TRUE(state);
  Saved saved = lone("m");
  ASSERT_TRUE(state->add(saved, {}));
  for (const char* text : {"no JSON", "{}", "[1]", R"({"name": 1})", ""}) {
    std::ofstream(path_ + "/objects/m/state.json") << text;
    const auto objects = state->list();
    ASSERT_FALSE(objects) << text;
    EXPECT_THAT(objects.error().message, HasSubstr("state.json: damaged")) << text;
  }
  EXPECT_TRUE(state->remove("m"));
}

TEST(Pins, PathsAreOfTheVirtualFileSystem) {
  EXPECT_EQ(pin_path("fw"), "/sys/fs/bpf/fw");
  EXPECT_EQ(pin_path("a/b/"), "/sys/fs/bpf/a/b");
  EXPECT_EQ(pin_path("/elsewhere/x"), "/elsewhere/x");
  EXPECT_EQ(object_name("/sys/fs/bpf/a/b"), "a/b");
  for (const char* bad : {"", "/", "../x", "a/../b", "a//b", "a b", ".hidden", "a/./b", "per%cent"})
    EXPECT_FALSE(pin_path(bad)) << bad;
  EXPECT_FALSE(pin_path(std::string(300, 'a')));
}

TEST(Pins, OneThingMayHaveSeveral) {
  Registry rows;
  ASSERT_TRUE(add_pin(rows, {"/a", PinKind::program, 3}));
  ASSERT_TRUE(add_pin(rows, {"/b", PinKind::program, 3}));
  ASSERT_TRUE(add_pin(rows, {"/c", PinKind::map, 3}));
  EXPECT_THAT(paths_of(rows, PinKind::program, 3), ElementsAre("/a", "/b"));
}

}  // namespace
}  // namespace forager::cli
