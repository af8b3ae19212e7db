import "./account.js";
import "./phone.js";
import "./preferences.js";
