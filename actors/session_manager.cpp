#include "actors/session_manager.hpp"

#include "actors/chunk_layout.hpp"
#include "actors/error.hpp"

#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vp {

result<void> check(const upload_request& request, const upload_limits& limits) {
  auto too_long = [](const char* what, std::size_t limit) {
    return fail(errc::invalid_request, std::string{what} + " must have at most " + std::to_string(limit) + " bytes");
  };
  if (request.title.find_first_not_of(" \t\r\n") == std::string::npos)
    return fail(errc::invalid_request, "title must not be empty");
  if (std::any_of(request.title.begin(), request.title.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
    return fail(errc::invalid_request, "title must not have control characters");
  if (request.title.size() > limits.max_title)
    return too_long("title", limits.max_title);
  if (request.description.size() > limits.max_description)
    return too_long("description", limits.max_description);
  if (request.mime_type.size() > limits.max_mime_type)
    return too_long("mime_type", limits.max_mime_type);
  if (request.fingerprint.size() > limits.max_fingerprint)
    return too_long("fingerprint", limits.max_fingerprint);
  if (request.file_size == 0)
    return fail(errc::invalid_request, "file_size must be at least 1: the file is empty");
  if (request.file_size > limits.max_file_size)
    return fail(errc::too_large, "a file may have at most " + std::to_string(limits.max_file_size)
                                     + " bytes; this one has " + std::to_string(request.file_size));
  if (request.total_chunks == 0 || request.total_chunks > limits.max_chunks)
    return fail(errc::invalid_request, "total_chunks must be from 1 to " + std::to_string(limits.max_chunks));
  chunk_layout layout{request.file_size, request.total_chunks};
  if (!layout.possible())
    return fail(errc::invalid_request, std::to_string(request.file_size) + " bytes can't be cut into "
                                           + std::to_string(request.total_chunks) + " chunks of one size");
  if (layout.smallest() > limits.max_chunk_size)
    return fail(errc::too_large, "a chunk may have at most " + std::to_string(limits.max_chunk_size)
                                     + " bytes: send this file in more chunks");
  if (request.chunk_size == 0)
    return {};
  if (request.total_chunks > 1 ? !layout.fits(request.chunk_size) : request.chunk_size < request.file_size)
    return fail(errc::invalid_request,
                "chunk_size, total_chunks and file_size don't fit together: " + std::to_string(request.total_chunks)
                    + " chunks of " + std::to_string(request.chunk_size)
                    + " bytes, the last one maybe smaller, are not " + std::to_string(request.file_size) + " bytes");
  if (request.total_chunks > 1 && request.chunk_size > limits.max_chunk_size)
    return fail(errc::too_large, "chunk_size must be at most " + std::to_string(limits.max_chunk_size));
  return {};
}

std::string video_hash(const upload_request& request) {
  crypto_generichash_state state;
  std::array<unsigned char, 32> digest{};
  crypto_generichash_init(&state, nullptr, 0, digest.size());
  // Each field with its length before it, so that no two requests read the same.
  auto add = [&](const std::string& field) {
    auto text = std::to_string(field.size()) + ":" + field;
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  };
  add(request.title);
  add(std::to_string(request.file_size));
  add(std::to_string(request.total_chunks));
  add(request.fingerprint);
  crypto_generichash_final(&state, digest.data(), digest.size());
  std::array<char, 65> hex{};
  sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
  return hex.data();
}

namespace {

remover_actor::behavior_type remover(const data_folder& folder) {
  return {[folder](remove_atom) {
    auto emptied = empty_trash(folder);
    if (!emptied)
      spdlog::warn("{}", emptied.error().text);
    return to_caf(emptied);
  }};
}

} // namespace

session_manager_impl::behavior_type session_manager(session_manager_state::pointer self,
                                                    session_manager_config config) {
  return self->state.make_behavior(std::move(config));
}

session_manager_impl::behavior_type session_manager_state::make_behavior(session_manager_config config) {
  config_ = std::move(config);
  remover_ =
      config_.detached ? self_->spawn<caf::detached>(remover, config_.folder) : self_->spawn(remover, config_.folder);
  self_->set_down_handler([this](const caf::down_msg& down) { session_down(down.source); });
  self_->delayed_send(self_, config_.expiry_interval, tick_atom_v);
  return {
      [this](init_atom, const upload_request& request) { return init(request); },
      [this](session_atom, const std::string& hash) { return session(hash); },
      [this](remove_atom, const std::string& hash) { return remove(hash); },
      [this](tick_atom) { expire(); },
  };
}

session_manager_state::~session_manager_state() {
  caf::anon_send_exit(remover_, caf::exit_reason::user_shutdown);
  for (auto& [hash, session] : sessions_)
    caf::anon_send_exit(session.actor, caf::exit_reason::user_shutdown);
}

// -- uploads --------------------------------------------------------------------------------------

caf::result<upload_state> session_manager_state::init(const upload_request& request) {
  if (auto valid = check(request, config_.limits); !valid)
    return to_caf(valid.error());
  auto hash = video_hash(request);
  if (removals_.contains(hash))
    return to_caf(errc::conflict, "this video is just being deleted; try again in a moment");
  auto wanted = request;
  if (wanted.total_chunks == 1)
    wanted.chunk_size = wanted.file_size;
  if (std::error_code problem; !std::filesystem::exists(config_.folder.source(hash), problem)) {
    auto free = free_space(config_.folder.root());
    if (!free)
      return to_caf(free.error());
    if (*free < request.file_size + config_.headroom)
      return to_caf(errc::disk_full, "the server's disk has no room for this file");
  }
  auto promise = self_->make_response_promise<upload_state>();
  auto refuse = [promise](const caf::error& problem) mutable { promise.deliver(to_caf(from_caf(problem))); };
  self_->request(config_.catalog, config_.deadline, open_atom_v, hash, wanted)
      .then(
          [this, promise, refuse, hash](const video& opened) mutable {
            if (auto room = make_room(opened); !room) {
              promise.deliver(to_caf(room.error()));
              return;
            }
            self_->request(config_.catalog, config_.deadline, chunk_atom_v, hash)
                .then(
                    [promise, opened](std::vector<std::uint32_t>& chunks) mutable {
                      promise.deliver(
                          upload_state{opened, opened.status == video_status::uploading, std::move(chunks)});
                    },
                    refuse);
          },
          refuse);
  return promise;
}

result<void> session_manager_state::make_room(const video& video) const {
  return video.status == video_status::uploading ? prepare_source(config_.folder, video.hash, video.file_size)
                                                 : result<void>{};
}

/// Whether a session that began with this file still writes to the video's. Another process may have deleted the video
/// meanwhile, and begun it anew.
bool session_manager_state::is_current(const std::string& hash, const file& source) const {
  auto path = config_.folder.source(hash);
  std::error_code problem;
  return source ? source.is_at(path) : !std::filesystem::exists(path, problem);
}

caf::result<upload_session_actor> session_manager_state::session(const std::string& hash) {
  if (removals_.contains(hash))
    return to_caf(errc::not_found, "this video is just being deleted");
  if (auto live = sessions_.find(hash); live != sessions_.end()) {
    if (is_current(hash, live->second.source))
      return live->second.actor;
    self_->send_exit(live->second.actor, caf::exit_reason::user_shutdown);
    sessions_.erase(live);
    count_sessions();
  }
  if (sessions_.size() + opening_.size() >= config_.max_sessions && !opening_.contains(hash))
    return to_caf(errc::overloaded, "too many uploads are running at the same time; try again in a moment");
  auto promise = self_->make_response_promise<upload_session_actor>();
  auto& openers = opening_[hash];
  openers.push_back(promise);
  if (openers.size() > 1)
    return promise;
  auto refuse = [this, hash](const caf::error& problem) { answer_openers(hash, tl::unexpected(from_caf(problem))); };
  self_->request(config_.catalog, config_.deadline, get_atom_v, hash)
      .then(
          [this, hash, refuse](const video& known) {
            self_->request(config_.catalog, config_.deadline, chunk_atom_v, hash)
                .then([this, known](std::vector<std::uint32_t>& chunks) { spawn_session(known, std::move(chunks)); },
                      refuse);
          },
          refuse);
  return promise;
}

void session_manager_state::spawn_session(video video, std::vector<std::uint32_t> chunks) {
  auto hash = video.hash;
  if (removals_.contains(hash)) {
    answer_openers(hash, fail(errc::not_found, "this video is just being deleted"));
    return;
  }
  // What has begun and got no chunk yet may have got no file either.
  if (chunks.empty())
    if (auto room = make_room(video); !room) {
      answer_openers(hash, tl::unexpected(room.error()));
      return;
    }
  auto source = file::open(config_.folder.source(hash), file::mode::read);
  upload_session_config config;
  config.catalog = config_.catalog;
  config.queue = config_.queue;
  config.jobs = config_.jobs;
  config.folder = config_.folder;
  config.video = std::move(video);
  config.chunks = std::move(chunks);
  config.shared = config_.shared;
  config.ticket_timeout = config_.ticket_timeout;
  config.idle = config_.session_idle;
  config.deadline = config_.deadline;
  config.metrics = config_.metrics;
  auto spawned = config_.detached ? self_->spawn<caf::detached>(upload_session, std::move(config))
                                  : self_->spawn(upload_session, std::move(config));
  self_->monitor(spawned);
  sessions_.emplace(hash, live_session{spawned, source ? std::move(*source) : file{}});
  count_sessions();
  answer_openers(hash, upload_session_actor{spawned});
}

void session_manager_state::answer_openers(const std::string& hash, const result<upload_session_actor>& answer) {
  auto node = opening_.extract(hash);
  if (node.empty())
    return;
  for (auto& promise : node.mapped()) {
    if (answer)
      promise.deliver(*answer);
    else
      promise.deliver(to_caf(answer.error()));
  }
}

void session_manager_state::session_down(const caf::actor_addr& session) {
  auto ended = std::find_if(sessions_.begin(), sessions_.end(),
                            [&](auto& one) { return one.second.actor.address() == session; });
  if (ended == sessions_.end())
    return;
  auto hash = ended->first;
  sessions_.erase(ended);
  count_sessions();
  if (removals_.contains(hash))
    remove_next(hash);
}

void session_manager_state::count_sessions() {
  config_.metrics->sessions.Set(static_cast<double>(sessions_.size()));
}

// -- removal --------------------------------------------------------------------------------------

caf::result<void> session_manager_state::remove(const std::string& hash) {
  auto promise = self_->make_response_promise();
  auto [known, added] = removals_.try_emplace(hash);
  known->second.waiting.push_back(promise);
  if (!added)
    return promise;
  self_->request(config_.catalog, config_.deadline, get_atom_v, hash)
      .then([this, hash](const video&) { remove_next(hash); },
            [this, hash](const caf::error& problem) { end_removal(hash, tl::unexpected(from_caf(problem))); });
  return promise;
}

/// No writes to the upload any more, then none of the job, then the row with the files: whoever is interrupted in
/// between leaves a video that can be deleted again, or litter.
void session_manager_state::remove_next(const std::string& hash) {
  if (auto live = sessions_.find(hash); live != sessions_.end()) {
    self_->send_exit(live->second.actor, caf::exit_reason::user_shutdown);
    return; // goes on when it is down
  }
  if (!config_.jobs) {
    remove_row(hash);
    return;
  }
  self_->request(config_.jobs, config_.cancel_deadline, cancel_atom_v, hash)
      .then([this, hash] { remove_row(hash); },
            [this, hash](const caf::error& problem) { end_removal(hash, tl::unexpected(from_caf(problem))); });
}

void session_manager_state::remove_row(const std::string& hash) {
  self_->request(config_.catalog, config_.deadline, remove_atom_v, hash)
      .then(
          [this, hash] {
            self_->send(remover_, remove_atom_v);
            end_removal(hash, {});
          },
          [this, hash](const caf::error& problem) {
            if (from_caf(problem).code == errc::disk_full && !removals_[hash].made_room)
              make_room_for_removal(hash);
            else
              end_removal(hash, tl::unexpected(from_caf(problem)));
          });
}

/// A full disk has no room to forget the row: the files go first. Start-up knows rows without files.
void session_manager_state::make_room_for_removal(const std::string& hash) {
  removals_[hash].made_room = true;
  if (auto moved = move_to_trash(config_.folder, hash); !moved) {
    end_removal(hash, moved);
    return;
  }
  self_->request(remover_, caf::infinite, remove_atom_v)
      .then([this, hash] { remove_row(hash); },
            [this, hash](const caf::error& problem) { end_removal(hash, tl::unexpected(from_caf(problem))); });
}

void session_manager_state::end_removal(const std::string& hash, const result<void>& answer) {
  auto node = removals_.extract(hash);
  if (node.empty())
    return;
  for (auto& promise : node.mapped().waiting) {
    if (answer)
      promise.deliver(caf::unit);
    else
      promise.deliver(to_caf(answer.error()));
  }
}

void session_manager_state::expire() {
  auto again = [this] { self_->delayed_send(self_, config_.expiry_interval, tick_atom_v); };
  self_->request(config_.catalog, config_.deadline, expire_atom_v, config_.upload_expiry)
      .then(
          [this, again](const std::vector<std::string>& hashes) {
            for (auto& hash : hashes) {
              spdlog::info("upload {} was abandoned and is forgotten", hash);
              if (config_.jobs)
                self_->request(config_.jobs, config_.cancel_deadline, cancel_atom_v, hash)
                    .then([] {}, [](const caf::error&) {});
            }
            if (!hashes.empty())
              self_->send(remover_, remove_atom_v);
            again();
          },
          [again](const caf::error& problem) {
            spdlog::warn("looking for abandoned uploads: {}", from_caf(problem).text);
            again();
          });
}

} // namespace vp
