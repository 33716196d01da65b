# What every target of this project has in common.

add_library(vidpipeline_options INTERFACE)
target_include_directories(vidpipeline_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(vidpipeline_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${VIDPIPELINE_WERROR}>:-Werror>)
if(VIDPIPELINE_SANITIZE)
  # CAF and FFmpeg are not instrumented and trip these two checks in their own headers.
  set(_sanitize -fsanitize=${VIDPIPELINE_SANITIZE} -fno-sanitize=null,vptr -fno-omit-frame-pointer)
  target_compile_options(vidpipeline_options INTERFACE ${_sanitize})
  target_link_options(vidpipeline_options INTERFACE ${_sanitize})
endif()

# vidpipeline_library(NAME SOURCES...): one static library a folder.
function(vidpipeline_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC vidpipeline_options)
endfunction()
