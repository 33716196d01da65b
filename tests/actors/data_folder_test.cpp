#include "actors/data_folder.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;

using test::content;

TEST_CASE("a data folder has one exclusive owner, and says which folder it is", "[data_folder]") {
  test::temporary_folder where;
  data_folder folder{where.path() / "data"};
  {
    auto first = folder_lock::take(folder, folder_lock::kind::exclusive);
    REQUIRE(first);
    for (auto kind : {folder_lock::kind::exclusive, folder_lock::kind::shared}) {
      auto second = folder_lock::take(folder, kind);
      REQUIRE_FALSE(second);
      CHECK(second.error().code == errc::conflict);
      CHECK(second.error().text.find(folder.root().string()) != std::string::npos);
    }
  }
  auto shared = folder_lock::take(folder, folder_lock::kind::shared);
  REQUIRE(shared);
  CHECK(folder_lock::take(folder, folder_lock::kind::shared));
  CHECK_FALSE(folder_lock::take(folder, folder_lock::kind::exclusive));
}

TEST_CASE("a data folder knows whether the machine went down under a process", "[data_folder]") {
  test::temporary_folder where;
  data_folder folder{where.path()};
  auto take = [&] {
    auto lock = folder_lock::take(folder, folder_lock::kind::exclusive);
    REQUIRE(lock);
    return std::move(*lock);
  };
  CHECK_FALSE(take().machine_restarted());
  CHECK_FALSE(take().machine_restarted()); // That one was killed.
  REQUIRE(write_file_atomically(folder.lock(), "another boot", durable::later));
  CHECK(take().machine_restarted());
  CHECK_FALSE(take().machine_restarted());
  REQUIRE(write_file_atomically(folder.lock(), "another boot", durable::later));
  REQUIRE(take().settle());
  CHECK_FALSE(take().machine_restarted());
}

TEST_CASE("a file appears whole or not at all", "[data_folder]") {
  test::temporary_folder where;
  auto path = where.path() / "file";
  REQUIRE(write_file_atomically(path, "one", durable::later));
  REQUIRE(write_file_atomically(path, "two", durable::now));
  CHECK(content(path) == "two");
  CHECK(std::distance(std::filesystem::directory_iterator{where.path()}, {}) == 1);

  auto nowhere = write_file_atomically(where.path() / "missing" / "file", "x", durable::later);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == errc::not_found);
}

TEST_CASE("a byte is locked by one opening of a file, until that is closed", "[data_folder]") {
  test::temporary_folder where;
  auto path = where.path() / "file";
  auto one = file::open(path, file::mode::create);
  auto two = file::open(path, file::mode::write);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(*one->try_lock_byte(7));
  CHECK(*one->try_lock_byte(7));
  CHECK_FALSE(*two->try_lock_byte(7));
  CHECK(*two->try_lock_byte(8));
  one->unlock_byte(7);
  CHECK(*two->try_lock_byte(7));
  CHECK(file::open(path, file::mode::write)); // which closes it again
  CHECK_FALSE(*one->try_lock_byte(7));
  *two = file{};
  CHECK(*one->try_lock_byte(7));
}

TEST_CASE("a file knows whether its name has passed to another", "[data_folder]") {
  test::temporary_folder where;
  auto path = where.path() / "file";
  auto first = file::open(path, file::mode::create);
  REQUIRE(first);
  CHECK(first->is_at(path));
  std::filesystem::remove(path);
  CHECK_FALSE(first->is_at(path));
  REQUIRE(write_file_atomically(path, "", durable::later));
  CHECK_FALSE(first->is_at(path));
  CHECK_FALSE(file{}.is_at(path));
}

TEST_CASE("a file without a name leaves nothing behind", "[data_folder]") {
  test::temporary_folder where;
  auto spool = file::nameless(where.path());
  REQUIRE(spool);
  CHECK(std::filesystem::is_empty(where.path()));
  REQUIRE(spool->write_at(0, test::to_bytes("text").view()));
  CHECK(*spool->size() == 4);
  CHECK(file::nameless(where.path() / "missing").error().code == errc::not_found);
}

TEST_CASE("only 64 hex digits are a video's hash", "[data_folder]") {
  CHECK(is_video_hash(std::string(64, 'a')));
  CHECK_FALSE(is_video_hash(std::string(63, 'a')));
  CHECK_FALSE(is_video_hash(std::string(64, 'A')));
  CHECK_FALSE(is_video_hash(std::string(64, '.')));
  CHECK_FALSE(is_video_hash("../" + std::string(61, 'a')));
}

TEST_CASE("a video's folder goes out of sight first and is removed then, links not followed", "[data_folder]") {
  test::temporary_folder where;
  data_folder folder{where.path()};
  auto hash = std::string(64, 'a');
  auto kept = where.path() / "kept";
  REQUIRE(make_folder(kept));
  REQUIRE(write_file_atomically(kept / "file", "x", durable::later));
  REQUIRE(make_folder(folder.media(hash, "720p-1")));
  std::filesystem::create_directory_symlink(kept, folder.media(hash) / "link");

  REQUIRE(move_to_trash(folder, hash));
  CHECK_FALSE(std::filesystem::exists(folder.video(hash)));
  CHECK(std::distance(std::filesystem::directory_iterator{folder.uploads()}, {}) == 1);
  REQUIRE(empty_trash(folder));
  CHECK(std::filesystem::is_empty(folder.uploads()));
  CHECK(content(kept / "file") == "x");

  CHECK(move_to_trash(folder, hash));
  CHECK(empty_trash(folder));
}
