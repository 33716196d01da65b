#include "actors/catalog.hpp"

#include "actors/error.hpp"

#include <algorithm>
#include <system_error>

namespace vp {

namespace {

using pointer = catalog_impl::stateful_pointer<catalog_state>;

void tell_listeners(pointer self) {
  for (auto& listener : self->state.listeners)
    self->send(listener, outbox_atom_v);
}

/// Passes an answer of the database on, and tells the listeners where the outbox has grown.
template <class T>
caf::result<T> answer(pointer self, result<T> from) {
  if (self->state.db->take_growth())
    tell_listeners(self);
  return to_caf(std::move(from));
}

bool source_present(const data_folder& folder, const std::string& hash, std::uint64_t size) {
  std::error_code problem;
  auto found = std::filesystem::file_size(folder.source(hash), problem);
  return !problem && found == size;
}

void listen(pointer self, const outbox_listener& listener) {
  auto& all = self->state.listeners;
  if (std::find(all.begin(), all.end(), listener) != all.end())
    return;
  self->monitor(listener);
  all.push_back(listener);
}

} // namespace

catalog_impl::behavior_type catalog(pointer self, catalog_config config) {
  auto& state = self->state;
  state.db = std::move(config.db);
  state.folder = std::move(config.folder);
  self->set_down_handler([self](const caf::down_msg& down) {
    std::erase_if(self->state.listeners, [&](auto& one) { return one.address() == down.source; });
  });
  auto* db = state.db.get();
  if (config.watch > caf::timespan::zero())
    self->delayed_send(self, config.watch, tick_atom_v);
  auto discard = [&folder = state.folder](const std::string& hash) { return move_to_trash(folder, hash); };
  return {
      [self](listen_atom, const outbox_listener& listener) { listen(self, listener); },
      [self, db](open_atom, const std::string& hash, const upload_request& request) {
        auto present = [&] { return source_present(self->state.folder, hash, request.file_size); };
        return answer(self, db->open_video(hash, request, present));
      },
      [self, db](get_atom, const std::string& hash) { return answer(self, db->get(hash)); },
      [self, db](list_atom) { return answer(self, db->list()); },
      [self, db](chunk_atom, const std::string& hash) { return answer(self, db->chunks(hash)); },
      [self, db](chunk_atom, const std::string& hash, std::int64_t id, std::uint32_t index, std::uint64_t chunk_size) {
        return answer(self, db->add_chunk(hash, index, chunk_size, id));
      },
      [db](get_atom, const std::string& hash, std::uint32_t index) -> caf::result<video, bool> {
        auto found = db->get(hash, index);
        if (!found)
          return to_caf(found.error());
        return {std::move(found->first), found->second};
      },
      [self, db](chunk_atom, const std::string& hash, std::int64_t id, std::uint64_t chunk_size) {
        return answer(self, db->settle_chunk_size(hash, id, chunk_size));
      },
      [self, db](finalize_atom, const std::string& hash) { return answer(self, db->finalize(hash)); },
      [self, db](retry_atom, const std::string& hash) { return answer(self, db->retry(hash)); },
      [self, db, discard](remove_atom, const std::string& hash) { return answer(self, db->remove(hash, discard)); },
      [self, db, discard](expire_atom, caf::timespan idle) { return answer(self, db->expire(idle, discard)); },

      [self, db](claim_atom, const std::string& hash, const std::string& owner, const std::string& url,
                 caf::timespan lifetime) { return answer(self, db->claim_job(hash, owner, url, lifetime)); },
      [self, db](preview_atom, const std::string& hash, const std::string& owner, const std::string& url,
                 caf::timespan lifetime) { return answer(self, db->preview_job(hash, owner, url, lifetime)); },
      [self, db](claim_atom, const std::string& hash) { return answer(self, db->owner_url(hash)); },
      [self, db](renew_atom, const claim& mine, caf::timespan lifetime) {
        return answer(self, db->renew(mine, lifetime));
      },
      [self, db](release_atom, const claim& mine) { return answer(self, db->release(mine)); },
      [self, db](plan_atom, const claim& mine, const media::analysis& found) {
        return answer(self, db->store_plan(mine, found));
      },
      [self, db](store_atom, const claim& mine, const std::vector<stored_fragment>& fragments) {
        return answer(self, db->store_fragments(mine, fragments));
      },
      [self, db](remove_atom, const claim& mine, const std::vector<stored_fragment>& fragments) {
        return answer(self, db->remove_fragments(mine, fragments));
      },
      [self, db](progress_atom, const claim& mine, const progress& now) {
        return answer(self, db->store_progress(mine, now));
      },
      [self, db](complete_atom, const claim& mine) { return answer(self, db->complete(mine)); },
      [self, db](fail_atom, const claim& mine, const std::string& reason) {
        return answer(self, db->fail_job(mine, reason));
      },
      [self, db](orphans_atom) { return answer(self, db->enqueue_orphans()); },

      [self, db](jobs_atom, std::uint32_t limit) { return answer(self, db->due_jobs(limit)); },
      [self, db](ack_atom, std::uint64_t id) { return answer(self, db->ack(id)); },
      [self, db](later_atom, std::uint64_t id, caf::timespan after, const std::string& reason) {
        return answer(self, db->later(id, after, reason));
      },
      [self, db](dead_atom, std::uint64_t id, const std::string& reason) { return answer(self, db->dead(id, reason)); },
      [self, db](events_atom, std::uint64_t above, const std::string& hash, std::uint32_t limit) {
        return answer(self, db->events(above, hash, limit));
      },
      [self, db](last_atom) { return answer(self, db->last_event()); },

      [self, db](publish_atom, const std::string& owner, const std::string& cluster, caf::timespan lifetime,
                 std::uint32_t limit) { return answer(self, db->next_publication(owner, cluster, lifetime, limit)); },
      [self, db](publish_atom, const std::string& owner, std::uint64_t up_to) {
        return answer(self, db->published(owner, up_to));
      },
      [self, db](release_atom, const std::string& owner) { return answer(self, db->release_lease(owner)); },

      [self, db, watch = config.watch](tick_atom) {
        if (db->changed_elsewhere())
          tell_listeners(self);
        self->delayed_send(self, watch, tick_atom_v);
      },
  };
}

} // namespace vp
