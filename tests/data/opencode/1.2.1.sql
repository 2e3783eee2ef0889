BEGIN TRANSACTION;
CREATE TABLE `message` (
	`id` text PRIMARY KEY,
	`session_id` text NOT NULL,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`data` text NOT NULL,
	CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
);
INSERT INTO "message" VALUES('msg_1fbaa12f00010fEIYtXGCy76BX','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589616,1795223589900,'{"role":"user","time":{"created":1795223589616},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589662,1795223589743,'{"role":"assistant","time":{"created":1795223589662,"completed":1795223589743},"parentID":"msg_1fbaa12f00010fEIYtXGCy76BX","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.005625,"tokens":{"total":1760,"input":1500,"output":60,"reasoning":11,"cache":{"read":200,"write":0}},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa13700014DSVfEN7aC47GA','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589744,1795223589820,'{"role":"assistant","time":{"created":1795223589744,"completed":1795223589820},"parentID":"msg_1fbaa12f00010fEIYtXGCy76BX","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00612,"tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"read":900,"write":0}},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa13be00100elN1QDYjlcCx','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589822,1795223589882,'{"role":"assistant","time":{"created":1795223589822,"completed":1795223589882},"parentID":"msg_1fbaa12f00010fEIYtXGCy76BX","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.0066,"tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"read":1000,"write":0}},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa13fb0014XmJ6oZnC3s2a1','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589883,1795223589924,'{"role":"assistant","time":{"created":1795223589883,"completed":1795223589924},"parentID":"msg_1fbaa12f00010fEIYtXGCy76BX","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.007035,"tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"read":1200,"write":0}},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa22ac001znKaKsYQXIEFrQ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593644,1795223593742,'{"role":"user","time":{"created":1795223593644},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa22e2001cNoigpiEbGp8zJ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593698,1795223593775,'{"role":"assistant","time":{"created":1795223593698,"completed":1795223593775},"parentID":"msg_1fbaa22ac001znKaKsYQXIEFrQ","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.004005,"tokens":{"total":1530,"input":1100,"output":30,"reasoning":9,"cache":{"read":400,"write":0}},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa31e0001Vz3beegHHHvFr8','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597536,1795223597782,'{"role":"user","time":{"created":1795223597536},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa3214001rqlHwvuplg5iTu','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597588,1795223597774,'{"role":"assistant","time":{"created":1795223597588,"completed":1795223597774},"parentID":"msg_1fbaa31e0001Vz3beegHHHvFr8","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00486,"tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"read":0,"write":0}},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa3249001MEqwIjVCPPQKUK','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597642,1795223597767,'{"role":"user","time":{"created":1795223597642},"agent":"general","model":{"providerID":"fake","modelID":"fake-model"},"tools":{"todowrite":false,"todoread":false,"task":false}}');
INSERT INTO "message" VALUES('msg_1fbaa324d001cnWQFnR4y2k9Xd','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597645,1795223597720,'{"role":"assistant","time":{"created":1795223597645,"completed":1795223597720},"parentID":"msg_1fbaa3249001MEqwIjVCPPQKUK","modelID":"fake-model","providerID":"fake","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002415,"tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"read":0,"write":0}},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa3299001se3nj4CfM4w7tT','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597721,1795223597755,'{"role":"assistant","time":{"created":1795223597721,"completed":1795223597755},"parentID":"msg_1fbaa3249001MEqwIjVCPPQKUK","modelID":"fake-model","providerID":"fake","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002535,"tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"read":0,"write":0}},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa32cf0013e3iJyGq2Z9mgk','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597775,1795223597804,'{"role":"assistant","time":{"created":1795223597775,"completed":1795223597804},"parentID":"msg_1fbaa31e0001Vz3beegHHHvFr8","modelID":"fake-model","providerID":"fake","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.005625,"tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"read":0,"write":0}},"finish":"stop"}');
CREATE TABLE `part` (
	`id` text PRIMARY KEY,
	`message_id` text NOT NULL,
	`session_id` text NOT NULL,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`data` text NOT NULL,
	CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
);
INSERT INTO "part" VALUES('prt_1fbaa12f00028VwPbkt5F2gu3u','msg_1fbaa12f00010fEIYtXGCy76BX','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589618,1795223589619,'{"type":"text","text":"\"please write a notes file play:tools\"\n"}');
INSERT INTO "part" VALUES('prt_1fbaa135900107iEVOW61RMFNc','msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589721,1795223589722,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa135a001p70v9c865sUkj4','msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589722,1795223589726,'{"type":"reasoning","text":"First write a file, then list.","time":{"start":1795223589722,"end":1795223589726}}');
INSERT INTO "part" VALUES('prt_1fbaa135b001xGfQvxBzR7kcRA','msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589723,1795223589726,'{"type":"text","text":"I will create a file.","time":{"start":1795223589726,"end":1795223589726}}');
INSERT INTO "part" VALUES('prt_1fbaa135c0019m5FEJNwNEcWZN','msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589725,1795223589727,'{"type":"tool","callID":"call_1795223589695570523_0","tool":"write","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt","content":"alpha\nbeta\n"},"output":"Wrote file successfully.","title":"notes.txt","metadata":{"filepath":"/home/dev/proj/notes.txt","exists":false,"truncated":false},"time":{"start":1795223589725,"end":1795223589727}}}');
INSERT INTO "part" VALUES('prt_1fbaa1361001vxZnEsssfuWkTf','msg_1fbaa131e001CLCKVIQ7F2o8qa','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589737,1795223589737,'{"type":"step-finish","reason":"tool-calls","cost":0.005625,"tokens":{"total":1760,"input":1500,"output":60,"reasoning":11,"cache":{"read":200,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa1390001sHl4W2vmJWd2ID','msg_1fbaa13700014DSVfEN7aC47GA','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589776,1795223589776,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa1391001hBAdQNAvJJJkuo','msg_1fbaa13700014DSVfEN7aC47GA','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589777,1795223589800,'{"type":"tool","callID":"call_1795223589758253346_0","tool":"bash","state":{"status":"completed","input":{"command":"ls -1 && echo done","description":"List files"},"output":"README.md\nnotes.txt\ndone\n","title":"List files","metadata":{"output":"README.md\nnotes.txt\ndone\n","exit":0,"description":"List files","truncated":false},"time":{"start":1795223589777,"end":1795223589800}}}');
INSERT INTO "part" VALUES('prt_1fbaa1392001t3ISX3tFJgOXC0','msg_1fbaa13700014DSVfEN7aC47GA','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589778,1795223589781,'{"type":"tool","callID":"call_1795223589758257753_1","tool":"read","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt"},"output":"<path>/home/dev/proj/notes.txt</path>\n<type>file</type>\n<content>1: alpha\n2: beta\n3: \n\n(End of file - total 3 lines)\n</content>","title":"notes.txt","metadata":{"truncated":false},"time":{"start":1795223589778,"end":1795223589780}}}');
INSERT INTO "part" VALUES('prt_1fbaa13aa0017WT4K2MlCdcarU','msg_1fbaa13700014DSVfEN7aC47GA','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589806,1795223589806,'{"type":"step-finish","reason":"tool-calls","cost":0.00612,"tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"read":900,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa13ed001Qad7krvGdx1EXb','msg_1fbaa13be00100elN1QDYjlcCx','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589869,1795223589869,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa13ee0019xNYhIxYO2YqHv','msg_1fbaa13be00100elN1QDYjlcCx','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589870,1795223589871,'{"type":"tool","callID":"call_1795223589847680849_0","tool":"edit","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt","oldString":"beta","newString":"gamma"},"output":"Edit applied successfully.","title":"notes.txt","metadata":{"truncated":false},"time":{"start":1795223589870,"end":1795223589871}}}');
INSERT INTO "part" VALUES('prt_1fbaa13ef001aJywednOytnx3w','msg_1fbaa13be00100elN1QDYjlcCx','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589875,1795223589875,'{"type":"step-finish","reason":"tool-calls","cost":0.0066,"tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"read":1000,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa141300157b7XcuWfdoE2c','msg_1fbaa13fb0014XmJ6oZnC3s2a1','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589907,1795223589907,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa1414001PaU50JX0b32RQs','msg_1fbaa13fb0014XmJ6oZnC3s2a1','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589908,1795223589909,'{"type":"text","text":"Done: notes.txt now holds alpha and gamma.","time":{"start":1795223589909,"end":1795223589909}}');
INSERT INTO "part" VALUES('prt_1fbaa1415001QA5feKRETWNLiB','msg_1fbaa13fb0014XmJ6oZnC3s2a1','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223589916,1795223589916,'{"type":"step-finish","reason":"stop","cost":0.007035,"tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"read":1200,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa22ad001uXw6Q06nVJibYf','msg_1fbaa22ac001znKaKsYQXIEFrQ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593648,1795223593648,'{"type":"text","text":"\"again play:reason\"\n"}');
INSERT INTO "part" VALUES('prt_1fbaa231d001KtBd2gpvY6hDlq','msg_1fbaa22e2001cNoigpiEbGp8zJ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593758,1795223593758,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa231e001wV7c3PCvQ6Z9qn','msg_1fbaa22e2001cNoigpiEbGp8zJ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593758,1795223593760,'{"type":"reasoning","text":"The user wants a greeting, keep it short.","time":{"start":1795223593758,"end":1795223593760}}');
INSERT INTO "part" VALUES('prt_1fbaa231f0019vHn1S4jZk3PJ2','msg_1fbaa22e2001cNoigpiEbGp8zJ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593759,1795223593760,'{"type":"text","text":"Reasoned hello.","time":{"start":1795223593760,"end":1795223593760}}');
INSERT INTO "part" VALUES('prt_1fbaa2322001sDUeE7mcrLwgC1','msg_1fbaa22e2001cNoigpiEbGp8zJ','ses_e0455ed23ffeEtIjW6fob3GFcK',1795223593770,1795223593770,'{"type":"step-finish","reason":"stop","cost":0.004005,"tokens":{"total":1530,"input":1100,"output":30,"reasoning":9,"cache":{"read":400,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa31e1001VP11mUDgL0h78i','msg_1fbaa31e0001Vz3beegHHHvFr8','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597540,1795223597540,'{"type":"text","text":"\"delegate this play:task\"\n"}');
INSERT INTO "part" VALUES('prt_1fbaa324a001thkNijRy5tJPxV','msg_1fbaa3249001MEqwIjVCPPQKUK','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597642,1795223597642,'{"type":"text","text":"Count the files here. play:sub"}');
INSERT INTO "part" VALUES('prt_1fbaa325d001hAa8mNuMCsitfN','msg_1fbaa3214001rqlHwvuplg5iTu','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597662,1795223597662,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa325e0019z6GnGx0QnDQGZ','msg_1fbaa3214001rqlHwvuplg5iTu','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597662,1795223597665,'{"type":"text","text":"I will ask a subagent.","time":{"start":1795223597665,"end":1795223597665}}');
INSERT INTO "part" VALUES('prt_1fbaa325f001I9MLpeWZ1o54iW','msg_1fbaa3214001rqlHwvuplg5iTu','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597664,1795223597757,'{"type":"tool","callID":"call_1795223597625097362_0","tool":"task","state":{"status":"completed","input":{"description":"Count the files","prompt":"Count the files here. play:sub","subagent_type":"general"},"output":"task_id: ses_e0455cdb8ffedzdX0xf616V6fh (for resuming to continue this task if needed)\n\n<task_result>\nThere are a few files.\n</task_result>","title":"Count the files","metadata":{"sessionId":"ses_e0455cdb8ffedzdX0xf616V6fh","model":{"modelID":"fake-model","providerID":"fake"},"truncated":false},"time":{"start":1795223597664,"end":1795223597757}}}');
INSERT INTO "part" VALUES('prt_1fbaa3271001AO1GEwuYBvhukf','msg_1fbaa324d001cnWQFnR4y2k9Xd','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597681,1795223597681,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa3272001FXfJ8IASQQM83D','msg_1fbaa324d001cnWQFnR4y2k9Xd','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597682,1795223597705,'{"type":"tool","callID":"call_1795223597662675287_0","tool":"bash","state":{"status":"completed","input":{"command":"ls | wc -l","description":"Count files"},"output":"2\n","title":"Count files","metadata":{"output":"2\n","exit":0,"description":"Count files","truncated":false},"time":{"start":1795223597683,"end":1795223597705}}}');
INSERT INTO "part" VALUES('prt_1fbaa328c0012vpljDRWXD0gXO','msg_1fbaa324d001cnWQFnR4y2k9Xd','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597714,1795223597714,'{"type":"step-finish","reason":"tool-calls","cost":0.002415,"tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"read":0,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa32ac001pqhSoWflRza4sW','msg_1fbaa3299001se3nj4CfM4w7tT','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597740,1795223597740,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa32ad001Vs78NRmE77kBS4','msg_1fbaa3299001se3nj4CfM4w7tT','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597741,1795223597741,'{"type":"text","text":"There are a few files.","time":{"start":1795223597741,"end":1795223597741}}');
INSERT INTO "part" VALUES('prt_1fbaa32ae001BqxPtS9uyiqPtb','msg_1fbaa3299001se3nj4CfM4w7tT','ses_e0455cdb8ffedzdX0xf616V6fh',1795223597748,1795223597748,'{"type":"step-finish","reason":"stop","cost":0.002535,"tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"read":0,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa32be001uwW10AvvdVVmdX','msg_1fbaa3214001rqlHwvuplg5iTu','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597767,1795223597767,'{"type":"step-finish","reason":"tool-calls","cost":0.00486,"tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"read":0,"write":0}}}');
INSERT INTO "part" VALUES('prt_1fbaa32df001PfcKmq5KLjJgvD','msg_1fbaa32cf0013e3iJyGq2Z9mgk','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597791,1795223597791,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa32df002qaLZt0rslmqc73','msg_1fbaa32cf0013e3iJyGq2Z9mgk','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597791,1795223597792,'{"type":"text","text":"The subagent answered.","time":{"start":1795223597792,"end":1795223597792}}');
INSERT INTO "part" VALUES('prt_1fbaa32e00011hdWH92ZVHRH0V','msg_1fbaa32cf0013e3iJyGq2Z9mgk','ses_e0455ce3bffeQWVWqAuPuqHcb3',1795223597795,1795223597795,'{"type":"step-finish","reason":"stop","cost":0.005625,"tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"read":0,"write":0}}}');
CREATE TABLE `session` (
	`id` text PRIMARY KEY,
	`project_id` text NOT NULL,
	`parent_id` text,
	`slug` text NOT NULL,
	`directory` text NOT NULL,
	`title` text NOT NULL,
	`version` text NOT NULL,
	`share_url` text,
	`summary_additions` integer,
	`summary_deletions` integer,
	`summary_files` integer,
	`summary_diffs` text,
	`revert` text,
	`permission` text,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`time_compacting` integer,
	`time_archived` integer,
	CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE
);
INSERT INTO "session" VALUES('ses_e0455ed23ffeEtIjW6fob3GFcK','a88c50e03116c11b05851e7ed9b9e3dddceba209',NULL,'jolly-planet','/home/dev/proj','Fake title: "please write a notes file','1.2.1',NULL,1,1,1,NULL,NULL,NULL,1795223589596,1795223593755,NULL,NULL);
INSERT INTO "session" VALUES('ses_e0455ce3bffeQWVWqAuPuqHcb3','a88c50e03116c11b05851e7ed9b9e3dddceba209',NULL,'cosmic-garden','/home/dev/proj','Fake title: "delegate this','1.2.1',NULL,0,0,0,NULL,NULL,NULL,1795223597508,1795223597778,NULL,NULL);
INSERT INTO "session" VALUES('ses_e0455cdb8ffedzdX0xf616V6fh','a88c50e03116c11b05851e7ed9b9e3dddceba209','ses_e0455ce3bffeQWVWqAuPuqHcb3','proud-meadow','/home/dev/proj','Count the files (@general subagent)','1.2.1',NULL,0,0,0,NULL,NULL,NULL,1795223597639,1795223597766,NULL,NULL);
CREATE INDEX `message_session_idx` ON `message` (`session_id`);
CREATE INDEX `part_message_idx` ON `part` (`message_id`);
CREATE INDEX `part_session_idx` ON `part` (`session_id`);
CREATE INDEX `session_project_idx` ON `session` (`project_id`);
CREATE INDEX `session_parent_idx` ON `session` (`parent_id`);
COMMIT;
