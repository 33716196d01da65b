# Debian installs the C++ Actor Framework without a CMake package: this makes CAF::core, CAF::io and CAF::openssl of what
# is there.

find_path(CAF_INCLUDE_DIR caf/all.hpp)
set(_caf_libraries)
foreach(_caf_part core io openssl)
  find_library(CAF_${_caf_part}_LIBRARY caf_${_caf_part})
  mark_as_advanced(CAF_${_caf_part}_LIBRARY)
  list(APPEND _caf_libraries CAF_${_caf_part}_LIBRARY)
endforeach()

if(CAF_INCLUDE_DIR)
  # CAF_VERSION is written as 1706 for 0.17.6.
  file(STRINGS "${CAF_INCLUDE_DIR}/caf/config.hpp" _caf_version REGEX "^#define CAF_VERSION [0-9]+$")
  string(REGEX REPLACE "[^0-9]" "" _caf_version "${_caf_version}")
  if(_caf_version)
    math(EXPR _caf_major "${_caf_version} / 10000")
    math(EXPR _caf_minor "${_caf_version} / 100 % 100")
    math(EXPR _caf_patch "${_caf_version} % 100")
    set(CAF_VERSION ${_caf_major}.${_caf_minor}.${_caf_patch})
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF REQUIRED_VARS ${_caf_libraries} CAF_INCLUDE_DIR VERSION_VAR CAF_VERSION)

if(CAF_FOUND AND NOT TARGET CAF::core)
  find_package(Threads REQUIRED)
  foreach(_caf_part core io openssl)
    add_library(CAF::${_caf_part} UNKNOWN IMPORTED)
    set_target_properties(CAF::${_caf_part} PROPERTIES
      IMPORTED_LOCATION "${CAF_${_caf_part}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}")
  endforeach()
  target_link_libraries(CAF::core INTERFACE Threads::Threads)
  target_link_libraries(CAF::io INTERFACE CAF::core)
  target_link_libraries(CAF::openssl INTERFACE CAF::io)
endif()
mark_as_advanced(CAF_INCLUDE_DIR)
