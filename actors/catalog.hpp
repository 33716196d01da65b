#pragma once

#include "actors/data_folder.hpp"
#include "actors/database.hpp"
#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <memory>
#include <vector>

namespace vp {

struct catalog_config {
  /// Opened, and recovered (see actors/recover.hpp), before anybody asks. Nobody else uses it from now on.
  std::shared_ptr<database> db;
  data_folder folder;
  /// How often to look whether other processes have added to the outbox; 0 where there are none.
  caf::timespan watch = caf::timespan::zero();
};

/// The catalog's own interface: time to look what others did.
using catalog_impl = catalog_actor::extend<caf::reacts_to<tick_atom>>;

struct catalog_state {
  static constexpr const char* name = "catalog";

  std::shared_ptr<database> db;
  data_folder folder;
  std::vector<outbox_listener> listeners;
};

/// The database behind messages. Spawn it detached: it blocks on the disk.
catalog_impl::behavior_type catalog(catalog_impl::stateful_pointer<catalog_state> self, catalog_config config);

} // namespace vp
