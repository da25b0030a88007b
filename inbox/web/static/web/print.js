// A button that opens the browser's own print dialogue; without JavaScript its menu does.
"use strict";

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => window.print());
